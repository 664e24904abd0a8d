include runtime/text/jinja/local.mk
include %D%/tokenizer.mk
