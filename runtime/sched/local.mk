# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/engine.c %D%/engine.h \
	%D%/model.c %D%/model.h \
	%D%/sampler.c %D%/sampler.h
