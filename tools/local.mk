# SPDX-License-Identifier: Apache-2.0
# tools
mslx_sources = \
	tools/mslx/kernels.py \
	tools/mslx/mslx.py \
	tools/mslx/tokens.py
EXTRA_DIST += $(mslx_sources) tools/mslx/lint.py
