# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/check.c %D%/check.h \
	%D%/check_attention.c \
	%D%/check_linear.c \
	%D%/check_recurrent.c \
	%D%/check_rows.c \
	%D%/device.c %D%/device.h \
	%D%/encode_attention.c \
	%D%/encode_linear.c \
	%D%/encode_recurrent.c \
	%D%/encode_rows.c \
	%D%/exec.h \
	%D%/gpu.h \
	%D%/input.c \
	%D%/lower.c \
	%D%/step.c \
	%D%/weights.c
