# SPDX-License-Identifier: Apache-2.0
# The kernels of the CPU device for arm64, under an emulator.
EXTRA_DIST += %D%/cmocka.h %D%/kernels.sh
TESTS += %D%/kernels.sh
