# SPDX-License-Identifier: Apache-2.0
family_modules += %D%/qwen_vl.la
%C%_qwen_vl_la_SOURCES = %D%/qwen_vl.c %D%/tower.c %D%/qwen_vl.h
%C%_qwen_vl_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=qwen_vl
%C%_qwen_vl_la_LDFLAGS = $(module_ldflags)
%C%_qwen_vl_la_LIBADD = -lm
