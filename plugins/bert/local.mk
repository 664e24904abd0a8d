# SPDX-License-Identifier: Apache-2.0
family_modules += %D%/bert.la
%C%_bert_la_SOURCES = %D%/bert.c
%C%_bert_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=bert
%C%_bert_la_LDFLAGS = $(module_ldflags)
%C%_bert_la_LIBADD = -lm
