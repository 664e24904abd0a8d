unit_tests += tests/unit/buf
tests_unit_buf_SOURCES = %D%/buf.c %D%/unit.h
tests_unit_buf_CPPFLAGS = $(test_cppflags)
tests_unit_buf_LDADD = $(test_ldadd)

unit_tests += tests/unit/checkpoint
tests_unit_checkpoint_SOURCES = %D%/checkpoint.c %D%/unit.h
tests_unit_checkpoint_CPPFLAGS = $(test_cppflags)
tests_unit_checkpoint_LDADD = $(test_ldadd) -lm
