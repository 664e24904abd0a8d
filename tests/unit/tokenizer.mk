# SPDX-License-Identifier: Apache-2.0
unit_tests += tests/unit/tokenizer_cases
tests_unit_tokenizer_cases_SOURCES = %D%/tokenizer_cases.c %D%/unit.h
tests_unit_tokenizer_cases_CPPFLAGS = $(test_cppflags)
tests_unit_tokenizer_cases_LDADD = $(test_ldadd)

unit_tests += tests/unit/tokenizer_gguf
tests_unit_tokenizer_gguf_SOURCES = %D%/tokenizer_gguf.c %D%/unit.h
tests_unit_tokenizer_gguf_CPPFLAGS = $(test_cppflags)
tests_unit_tokenizer_gguf_LDADD = $(test_ldadd)

unit_tests += tests/unit/tokenizer_scale
tests_unit_tokenizer_scale_SOURCES = %D%/tokenizer_scale.c %D%/unit.h
tests_unit_tokenizer_scale_CPPFLAGS = $(test_cppflags)
tests_unit_tokenizer_scale_LDADD = $(test_ldadd)

unit_tests += tests/unit/text_parts
tests_unit_text_parts_SOURCES = %D%/text_parts.c %D%/unit.h
tests_unit_text_parts_CPPFLAGS = $(test_cppflags) $(UTF8PROC_CFLAGS)
tests_unit_text_parts_LDADD = $(test_ldadd) $(UTF8PROC_LIBS)

unit_tests += tests/unit/tokenizer
tests_unit_tokenizer_SOURCES = %D%/tokenizer.c %D%/unit.h
tests_unit_tokenizer_CPPFLAGS = $(test_cppflags)
tests_unit_tokenizer_LDADD = $(test_ldadd)
