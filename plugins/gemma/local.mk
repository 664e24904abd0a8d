# SPDX-License-Identifier: Apache-2.0
family_modules += %D%/gemma.la
%C%_gemma_la_SOURCES = %D%/gemma.c %D%/tower.c %D%/gemma.h
%C%_gemma_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=gemma
%C%_gemma_la_LDFLAGS = $(module_ldflags)
%C%_gemma_la_LIBADD = -lm
