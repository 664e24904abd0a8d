# SPDX-License-Identifier: Apache-2.0
family_modules += %D%/qwen_audio.la
%C%_qwen_audio_la_SOURCES = %D%/qwen_audio.c %D%/qwen_audio.h %D%/tower.c
%C%_qwen_audio_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=qwen_audio
%C%_qwen_audio_la_LDFLAGS = $(module_ldflags)
%C%_qwen_audio_la_LIBADD = -lm
