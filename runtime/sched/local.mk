# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/builder.c \
	%D%/encoder.c %D%/encoder.h \
	%D%/engine.c %D%/engine.h %D%/engine_internal.h \
	%D%/metrics.c %D%/metrics.h \
	%D%/lanes.c %D%/lanes.h \
	%D%/model.c %D%/model.h \
	%D%/penalties.c %D%/penalties.h \
	%D%/pictures.c \
	%D%/programs.c %D%/programs.h \
	%D%/recipe.c %D%/recipe.h \
	%D%/repeat.c %D%/repeat.h \
	%D%/row.c %D%/row.h %D%/row_weigh.h \
	%D%/runner.c %D%/runner.h \
	%D%/sampler.c %D%/sampler.h \
	%D%/share.c %D%/share.h \
	%D%/sight.c %D%/sight.h \
	%D%/speech.c %D%/speech.h \
	%D%/tower.c %D%/tower.h
