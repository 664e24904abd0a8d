# SPDX-License-Identifier: Apache-2.0
family_modules += %D%/qwen3_5.la
%C%_qwen3_5_la_SOURCES = %D%/qwen3_5.c
%C%_qwen3_5_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=qwen3_5
%C%_qwen3_5_la_LDFLAGS = $(module_ldflags)
%C%_qwen3_5_la_LIBADD = -lm
EXTRA_DIST += %D%/MODEL.md
