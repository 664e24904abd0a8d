# SPDX-License-Identifier: Apache-2.0
family_modules += %D%/llama.la
%C%_llama_la_SOURCES = %D%/llama.c
%C%_llama_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=llama
%C%_llama_la_LDFLAGS = $(module_ldflags)
%C%_llama_la_LIBADD = -lm
