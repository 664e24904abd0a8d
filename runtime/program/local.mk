# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/hparams.c %D%/hparams.h \
	%D%/plan.c \
	%D%/record.c %D%/record.h \
	%D%/rope.c %D%/rope.h \
	%D%/unread.c %D%/unread.h
