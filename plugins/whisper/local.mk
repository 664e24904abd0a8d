# SPDX-License-Identifier: Apache-2.0
family_modules += %D%/whisper.la
%C%_whisper_la_SOURCES = %D%/whisper.c
%C%_whisper_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=whisper
%C%_whisper_la_LDFLAGS = $(module_ldflags)
%C%_whisper_la_LIBADD = -lm
