# SPDX-License-Identifier: Apache-2.0
# metal
# The Metal device. Until its host layer is here, only its kernels are, which tests/metal runs in a simulator.
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
	metal/kernels/linear_units.h
EXTRA_DIST += $(metal_kernels) $(metal_headers)
