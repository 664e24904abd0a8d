# SPDX-License-Identifier: Apache-2.0
unit_tests += tests/unit/checkpoint
tests_unit_checkpoint_SOURCES = %D%/checkpoint.c %D%/files.h %D%/model_files.h %D%/unit.h
tests_unit_checkpoint_CPPFLAGS = $(test_cppflags)
tests_unit_checkpoint_LDADD = $(test_ldadd) -lm

unit_tests += tests/unit/dequant
tests_unit_dequant_SOURCES = %D%/dequant.c %D%/unit.h
tests_unit_dequant_CPPFLAGS = $(test_cppflags)
tests_unit_dequant_LDADD = $(test_ldadd) -lm

unit_tests += tests/unit/gguf
tests_unit_gguf_SOURCES = %D%/gguf.c %D%/files.h %D%/model_files.h %D%/unit.h
tests_unit_gguf_CPPFLAGS = $(test_cppflags)
tests_unit_gguf_LDADD = $(test_ldadd) -lm

unit_tests += tests/unit/safetensors
tests_unit_safetensors_SOURCES = %D%/safetensors.c %D%/model_files.h %D%/unit.h
tests_unit_safetensors_CPPFLAGS = $(test_cppflags)
tests_unit_safetensors_LDADD = $(test_ldadd)

unit_tests += tests/unit/quantize
tests_unit_quantize_SOURCES = %D%/quantize.c %D%/unit.h
tests_unit_quantize_CPPFLAGS = $(test_cppflags)
tests_unit_quantize_LDADD = $(test_ldadd) -lm

unit_tests += tests/unit/gguf_write
tests_unit_gguf_write_SOURCES = %D%/gguf_write.c %D%/unit.h
tests_unit_gguf_write_CPPFLAGS = $(test_cppflags)
tests_unit_gguf_write_LDADD = $(test_ldadd)
