unit_tests += tests/unit/buf
tests_unit_buf_SOURCES = %D%/buf.c %D%/unit.h
tests_unit_buf_CPPFLAGS = $(test_cppflags)
tests_unit_buf_LDADD = $(test_ldadd)

include tests/unit/weights.mk
