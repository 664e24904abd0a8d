# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/chain.c \
	%D%/evict.c \
	%D%/kv.c %D%/kv.h %D%/kv_internal.h \
	%D%/pool.c %D%/pool.h \
	%D%/state.c \
	%D%/tree.c
