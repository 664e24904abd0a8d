# SPDX-License-Identifier: Apache-2.0
include runtime/text/jinja/local.mk
include %D%/tokenizer.mk
libtenon_la_SOURCES += %D%/chat.c %D%/chat.h
