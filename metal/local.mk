# SPDX-License-Identifier: Apache-2.0
# metal
# The Metal device: on macOS a part of the runtime, elsewhere its kernels and its host layer are only tested.
metal_kernels = \
	metal/kernels/attention_rows.metal \
	metal/kernels/attention_tiles.metal \
	metal/kernels/elementwise.metal \
	metal/kernels/embed.metal \
	metal/kernels/kv_store.metal \
	metal/kernels/linear_rows.metal \
	metal/kernels/linear_tiles.metal \
	metal/kernels/norm.metal \
	metal/kernels/recurrent.metal \
	metal/kernels/rope.metal \
	metal/kernels/rows.metal
metal_headers = \
	metal/args.h \
	metal/kernels/dequant.h \
	metal/kernels/iq_tables.h \
	metal/kernels/kv.h \
	metal/kernels/linear_units.h \
	metal/kernels/raised.h
EXTRA_DIST += $(metal_kernels) $(metal_headers)

metal_host_sources = \
	metal/device.c \
	metal/host.h metal/host.m \
	metal/metal_gpu.h \
	metal/pipelines.m
EXTRA_DIST += metal/README.md metal/source.sh

# The kernels as text in the program, which Metal compiles when it runs.
CLEANFILES += metal/source.c
metal/source.c: metal/source.sh $(metal_kernels) $(metal_headers)
	$(AM_V_GEN)$(MKDIR_P) metal && \
	  $(SHELL) $(top_srcdir)/metal/source.sh $(top_srcdir) $(metal_kernels) > $@.tmp && mv $@.tmp $@

# A library of its own, so that libtenon is linked by the C compiler; see tests/metal/local.mk for the tag.
if HAVE_METAL
noinst_LTLIBRARIES += libmetal.la
libtenon_la_LIBADD += libmetal.la
endif
libmetal_la_SOURCES = $(metal_host_sources)
nodist_libmetal_la_SOURCES = metal/source.c
libmetal_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) -DTN_METALLIB='"$(pkgdatadir)/tenon.metallib"'
libmetal_la_LIBTOOLFLAGS = --tag=CC

# The kernels compiled beforehand, with Apple's compiler; never needed. To be installed in $(pkgdatadir), or named by
# TENON_METALLIB.
metal_metalflags = -std=metal3.0 -fno-fast-math -ffp-contract=off -I$(top_srcdir)
CLEANFILES += metal/stamp.metal tenon.metallib
tenon.metallib: metal/source.sh $(metal_kernels) $(metal_headers)
	$(AM_V_GEN)$(MKDIR_P) metal && \
	  $(SHELL) $(top_srcdir)/metal/source.sh --stamp $(top_srcdir) $(metal_kernels) > metal/stamp.metal && \
	  xcrun -sdk macosx metal $(metal_metalflags) -o $@ `printf '$(top_srcdir)/%s ' $(metal_kernels)` metal/stamp.metal
