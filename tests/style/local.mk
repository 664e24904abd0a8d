# SPDX-License-Identifier: Apache-2.0
# The look of the sources.
style_tests = %D%/tree.sh
EXTRA_DIST += $(style_tests)
TESTS += $(style_tests)
