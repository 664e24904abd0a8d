# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/budget.c %D%/budget.h \
	%D%/buf.c %D%/buf.h \
	%D%/checked.h \
	%D%/clock.h \
	%D%/file.c %D%/file.h \
	%D%/json.c %D%/json.h \
	%D%/log.c %D%/log.h \
	%D%/new_file.c %D%/new_file.h \
	%D%/spawn.c %D%/spawn.h \
	%D%/status.c %D%/status.h \
	%D%/suggest.c %D%/suggest.h \
	%D%/team.c %D%/team.h
