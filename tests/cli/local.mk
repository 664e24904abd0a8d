# SPDX-License-Identifier: Apache-2.0
# The program seen from outside.
cli_tests = %D%/bench.py %D%/config.py %D%/frame.py %D%/layouts.py %D%/man.py %D%/mmproj.py %D%/models.py %D%/npy.py \
	%D%/quantize.py %D%/text.py
EXTRA_DIST += $(cli_tests) %D%/tap.py
if HAVE_PYTHON
TESTS += $(cli_tests)
check_PROGRAMS += tests/cli/npy_write
endif
tests_cli_npy_write_SOURCES = %D%/npy_write.c
tests_cli_npy_write_CPPFLAGS = $(test_cppflags)
tests_cli_npy_write_LDADD = libtenoncli.la libtenon.la
