# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/media.h \
	%D%/store.c %D%/store.h
