# SPDX-License-Identifier: Apache-2.0
family_modules += %D%/qwen3.la
%C%_qwen3_la_SOURCES = %D%/qwen3.c
%C%_qwen3_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=qwen3
%C%_qwen3_la_LDFLAGS = $(module_ldflags)
%C%_qwen3_la_LIBADD = -lm
