# SPDX-License-Identifier: Apache-2.0
# What a module's author sees.
abi_tests = %D%/headers.sh
EXTRA_DIST += $(abi_tests)
TESTS += $(abi_tests)
