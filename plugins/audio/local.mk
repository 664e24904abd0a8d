# SPDX-License-Identifier: Apache-2.0
if HAVE_AUDIO
modality_modules += %D%/audio.la
%C%_audio_la_SOURCES = %D%/audio.c
%C%_audio_la_CPPFLAGS = $(module_cppflags) $(AUDIO_CFLAGS) -DTN_MODULE_NAME=audio
%C%_audio_la_LDFLAGS = $(module_ldflags)
%C%_audio_la_LIBADD = $(AUDIO_LIBS)
endif
