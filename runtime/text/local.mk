include runtime/text/jinja/local.mk
