# SPDX-License-Identifier: Apache-2.0
# One target per parser of outside bytes; fuzz.h says how they are run.
fuzz_targets = \
	tests/fuzz/api tests/fuzz/config tests/fuzz/gguf tests/fuzz/jinja tests/fuzz/safetensors tests/fuzz/source \
	tests/fuzz/tokenizer
check_PROGRAMS += $(fuzz_targets)
TESTS += $(fuzz_targets)

tests_fuzz_config_SOURCES = %D%/config.c %D%/fuzz.c %D%/fuzz.h
tests_fuzz_config_CPPFLAGS = $(test_cppflags)
tests_fuzz_config_LDADD = libtenon.la

tests_fuzz_gguf_SOURCES = %D%/gguf.c %D%/fuzz.c %D%/fuzz.h tests/unit/model_files.h
tests_fuzz_gguf_CPPFLAGS = $(test_cppflags)
tests_fuzz_gguf_LDADD = libtenon.la

tests_fuzz_safetensors_SOURCES = %D%/safetensors.c %D%/fuzz.c %D%/fuzz.h tests/unit/model_files.h
tests_fuzz_safetensors_CPPFLAGS = $(test_cppflags)
tests_fuzz_safetensors_LDADD = libtenon.la

tests_fuzz_tokenizer_SOURCES = %D%/tokenizer.c %D%/fuzz.c %D%/fuzz.h
tests_fuzz_tokenizer_CPPFLAGS = $(test_cppflags)
tests_fuzz_tokenizer_LDADD = libtenon.la

tests_fuzz_jinja_SOURCES = %D%/jinja.c %D%/fuzz.c %D%/fuzz.h
tests_fuzz_jinja_CPPFLAGS = $(test_cppflags)
tests_fuzz_jinja_LDADD = libtenon.la

tests_fuzz_api_SOURCES = %D%/api.c %D%/fuzz.c %D%/fuzz.h
tests_fuzz_api_CPPFLAGS = $(test_cppflags)
tests_fuzz_api_LDADD = libtenon.la

tests_fuzz_source_SOURCES = %D%/source.c %D%/fuzz.c %D%/fuzz.h
tests_fuzz_source_CPPFLAGS = $(test_cppflags)
tests_fuzz_source_LDADD = libtenon.la
