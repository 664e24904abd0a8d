# SPDX-License-Identifier: Apache-2.0
# The module system: registry over deliberately bad modules, preopened ones, option tables, what in-tree modules may see.
check_PROGRAMS += tests/modules/scanner
tests_modules_scanner_SOURCES = %D%/scanner.c
tests_modules_scanner_LDADD = libtenon.la
tests_modules_scanner_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_modules_scanner_DEPENDENCIES = $(preopen_modules)

unit_tests += tests/modules/registry tests/modules/preopened tests/modules/option_table tests/modules/host
tests_modules_registry_SOURCES = %D%/registry.c %D%/work_dir.h tests/unit/unit.h
tests_modules_registry_CPPFLAGS = $(test_cppflags)
tests_modules_registry_LDADD = $(test_ldadd)
tests_modules_option_table_SOURCES = %D%/option_table.c tests/unit/unit.h
tests_modules_option_table_CPPFLAGS = $(test_cppflags)
tests_modules_option_table_LDADD = $(test_ldadd)
tests_modules_host_SOURCES = %D%/host.c tests/unit/unit.h
tests_modules_host_CPPFLAGS = $(test_cppflags)
tests_modules_host_LDADD = $(test_ldadd)

# Three archives linked into a test, one of them for another ABI.
tests_modules_preopened_SOURCES = %D%/preopened.c tests/unit/unit.h
tests_modules_preopened_CPPFLAGS = $(test_cppflags)
tests_modules_preopened_LDADD = -dlpreopen %D%/inside_a.la -dlpreopen %D%/inside_b.la -dlpreopen %D%/inside_bad.la \
	$(test_ldadd)
inside_ldflags = $(module_entry_ldflags) -static
check_LTLIBRARIES += %D%/inside_a.la %D%/inside_b.la %D%/inside_bad.la
%C%_inside_a_la_SOURCES = %D%/sample.c
%C%_inside_a_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=inside_a
%C%_inside_a_la_LDFLAGS = $(inside_ldflags)
%C%_inside_b_la_SOURCES = %D%/sample.c
%C%_inside_b_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=inside_b
%C%_inside_b_la_LDFLAGS = $(inside_ldflags)
%C%_inside_bad_la_SOURCES = %D%/sample.c
%C%_inside_bad_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=inside_bad -DSAMPLE_MINOR=99
%C%_inside_bad_la_LDFLAGS = $(inside_ldflags)

# Shared objects, each with one thing wrong.
check_LTLIBRARIES += \
	%D%/good.la \
	%D%/good_printing.la \
	%D%/bad_major.la \
	%D%/bad_minor.la \
	%D%/bad_size_none.la \
	%D%/bad_size_small.la \
	%D%/bad_size_large.la \
	%D%/bad_null_id.la \
	%D%/bad_id.la \
	%D%/bad_option.la \
	%D%/bad_factory.la \
	%D%/bad_no_entry.la \
	%D%/bad_undefined.la \
	%D%/bad_crash.la \
	%D%/bad_segv.la \
	%D%/bad_hang.la \
	%D%/bad_exit.la
%C%_good_la_SOURCES = %D%/sample.c
%C%_good_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=good
%C%_good_la_LDFLAGS = $(shared_module_ldflags)
%C%_good_printing_la_SOURCES = %D%/sample.c
%C%_good_printing_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=good_printing -DSAMPLE_PRINT
%C%_good_printing_la_LDFLAGS = $(shared_module_ldflags)
%C%_bad_major_la_SOURCES = %D%/sample.c
%C%_bad_major_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=bad_major -DSAMPLE_MAJOR=7
%C%_bad_major_la_LDFLAGS = $(shared_module_ldflags)
%C%_bad_minor_la_SOURCES = %D%/sample.c
%C%_bad_minor_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=bad_minor -DSAMPLE_MINOR=99
%C%_bad_minor_la_LDFLAGS = $(shared_module_ldflags)
%C%_bad_size_none_la_SOURCES = %D%/sample.c
%C%_bad_size_none_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=bad_size_none -DSAMPLE_SIZE=4
%C%_bad_size_none_la_LDFLAGS = $(shared_module_ldflags)
%C%_bad_size_small_la_SOURCES = %D%/sample.c
%C%_bad_size_small_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=bad_size_small -DSAMPLE_SIZE=40
%C%_bad_size_small_la_LDFLAGS = $(shared_module_ldflags)
%C%_bad_size_large_la_SOURCES = %D%/sample.c
%C%_bad_size_large_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=bad_size_large -DSAMPLE_SIZE=4096
%C%_bad_size_large_la_LDFLAGS = $(shared_module_ldflags)
%C%_bad_null_id_la_SOURCES = %D%/sample.c
%C%_bad_null_id_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=bad_null_id -DSAMPLE_ID=NULL
%C%_bad_null_id_la_LDFLAGS = $(shared_module_ldflags)
%C%_bad_id_la_SOURCES = %D%/sample.c
%C%_bad_id_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=bad_id -DSAMPLE_ID='"../up"'
%C%_bad_id_la_LDFLAGS = $(shared_module_ldflags)
%C%_bad_option_la_SOURCES = %D%/sample.c
%C%_bad_option_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=bad_option -DSAMPLE_BAD_OPTION
%C%_bad_option_la_LDFLAGS = $(shared_module_ldflags)
%C%_bad_factory_la_SOURCES = %D%/sample.c
%C%_bad_factory_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=bad_factory -DSAMPLE_ANY_FACTORY
%C%_bad_factory_la_LDFLAGS = $(shared_module_ldflags)
%C%_bad_no_entry_la_SOURCES = %D%/sample.c
%C%_bad_no_entry_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=bad_no_entry -DSAMPLE_NO_ENTRY
%C%_bad_no_entry_la_LDFLAGS = $(shared_module_ldflags)
%C%_bad_undefined_la_SOURCES = %D%/sample.c
%C%_bad_undefined_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=bad_undefined -DSAMPLE_UNDEFINED
%C%_bad_undefined_la_LDFLAGS = $(module_entry_ldflags) -shared -Wl,-z,lazy
%C%_bad_crash_la_SOURCES = %D%/sample.c
%C%_bad_crash_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=bad_crash -DSAMPLE_CRASH
%C%_bad_crash_la_LDFLAGS = $(shared_module_ldflags)
%C%_bad_segv_la_SOURCES = %D%/sample.c
%C%_bad_segv_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=bad_segv -DSAMPLE_SEGV
%C%_bad_segv_la_LDFLAGS = $(shared_module_ldflags)
%C%_bad_hang_la_SOURCES = %D%/sample.c
%C%_bad_hang_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=bad_hang -DSAMPLE_HANG
%C%_bad_hang_la_LDFLAGS = $(shared_module_ldflags)
%C%_bad_exit_la_SOURCES = %D%/sample.c
%C%_bad_exit_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=bad_exit -DSAMPLE_EXIT
%C%_bad_exit_la_LDFLAGS = $(shared_module_ldflags)
CLEANFILES += %D%/cache.json

# Scripts; installed.sh belongs to make installcheck.
modules_tests = %D%/contract.sh %D%/stranger.sh
EXTRA_DIST += $(modules_tests) %D%/command.py %D%/installed.sh %D%/stranger.c
TESTS += $(modules_tests)
if HAVE_PYTHON
TESTS += %D%/command.py
endif

installcheck-local:
	@$(AM_TESTS_ENVIRONMENT) PYTHON='$(PYTHON)' $(SHELL) $(top_srcdir)/tests/modules/installed.sh \
	  '$(DESTDIR)$(bindir)/tenon$(EXEEXT)' '$(DESTDIR)$(moduledir)'
