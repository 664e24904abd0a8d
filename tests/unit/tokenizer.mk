# SPDX-License-Identifier: Apache-2.0
unit_tests += tests/unit/tokenizer_cases
tests_unit_tokenizer_cases_SOURCES = %D%/tokenizer_cases.c %D%/unit.h
tests_unit_tokenizer_cases_CPPFLAGS = $(test_cppflags)
tests_unit_tokenizer_cases_LDADD = $(test_ldadd)

unit_tests += tests/unit/tokenizer_gguf
tests_unit_tokenizer_gguf_SOURCES = %D%/tokenizer_gguf.c %D%/unit.h
tests_unit_tokenizer_gguf_CPPFLAGS = $(test_cppflags)
tests_unit_tokenizer_gguf_LDADD = $(test_ldadd)
