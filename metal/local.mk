# metal
