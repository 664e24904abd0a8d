# SPDX-License-Identifier: Apache-2.0
# Tests print TAP. Unit tests are cmocka programs (tests/unit/NAME.c); scripts are Python 3.
TEST_EXTENSIONS = .py .sh
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
PY_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_COMPILER = $(PYTHON)
SH_LOG_DRIVER = $(LOG_DRIVER)
SH_LOG_COMPILER = $(SHELL)
AM_TESTS_ENVIRONMENT = \
	TN_SRCDIR='$(abs_top_srcdir)'; export TN_SRCDIR; \
	TN_BUILDDIR='$(abs_top_builddir)'; export TN_BUILDDIR; \
	TN_CC='$(CC)'; export TN_CC; TN_NM='$(NM)'; export TN_NM; \
	TENON_MODULE_PATH='$(abs_top_builddir)/plugins'; export TENON_MODULE_PATH; \
	TENON_MODULE_SCANNER='$(abs_top_builddir)/tests/modules/scanner'; export TENON_MODULE_SCANNER; \
	TENON_MODULE_CACHE='$(abs_top_builddir)/tests/modules/cache.json'; export TENON_MODULE_CACHE;

test_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/tests $(CMOCKA_CFLAGS)
test_ldadd = libtenon.la $(CMOCKA_LIBS)
unit_tests =
if HAVE_CMOCKA
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
endif

include tests/unit/local.mk
include tests/bench/local.mk
include tests/fuzz/local.mk
include tests/golden/local.mk
include tests/serve/api.mk
include tests/cli/local.mk
include tests/style/local.mk
include tests/abi/local.mk
include tests/modules/local.mk
include tests/media/local.mk
EXTRA_DIST += tests/vectors tools/vectors/copy_vectors.py tools/vectors/gguf_pair.py
include tests/metal/local.mk
include tests/metal/cuda.mk
include tests/arm/local.mk
include tests/serve/local.mk
include tests/clients/local.mk
include tests/soak/local.mk
