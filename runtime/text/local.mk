include %D%/tokenizer.mk
