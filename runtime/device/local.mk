# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/device.c %D%/device.h %D%/kv_type.c %D%/kv_type.h %D%/peak.h %D%/profile.h %D%/program.h \
	%D%/reference/ops.c %D%/reference/ops.h \
	%D%/reference/reference.c %D%/reference/reference.h \
	%D%/selfcheck.c %D%/selfcheck.h \
	%D%/tiny_model.c %D%/tiny_model.h

include runtime/device/cpu/local.mk
include runtime/device/gpu/local.mk
include runtime/device/cuda/local.mk
