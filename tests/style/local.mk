# SPDX-License-Identifier: Apache-2.0
# The look of the sources.
style_tests = %D%/format.sh %D%/tree.sh
EXTRA_DIST += %D%/format.sh %D%/tree.sh
TESTS += $(style_tests)
format:
	TN_SRCDIR=$(top_srcdir) $(SHELL) $(top_srcdir)/tests/style/format.sh --fix
.PHONY: format
