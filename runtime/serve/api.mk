# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/api_chat.c \
	%D%/api_error.c \
	%D%/api_json.c %D%/api_json.h \
	%D%/api_media.c \
	%D%/api_parse.c %D%/api_parts.h \
	%D%/api_repetition.c \
	%D%/api_response.c \
	%D%/api_sampling.c \
	%D%/api_vectors.c \
	%D%/fields.c %D%/fields.h \
	%D%/stop.c
