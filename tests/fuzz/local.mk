# SPDX-License-Identifier: Apache-2.0
# One target per parser of outside bytes; fuzz.h says how they are run.
fuzz_targets = \
	tests/fuzz/api tests/fuzz/config tests/fuzz/gguf tests/fuzz/jinja tests/fuzz/safetensors tests/fuzz/source \
	tests/fuzz/tokenizer
if HAVE_VISION
fuzz_targets += tests/fuzz/image
endif
if HAVE_VIDEO
fuzz_targets += tests/fuzz/video
endif
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
# The modules' own sources, without a process between them and the fuzzer.
tests_fuzz_image_SOURCES = %D%/image.c %D%/modality.c %D%/modality.h %D%/fuzz.c %D%/fuzz.h $(vision_sources)
tests_fuzz_image_CPPFLAGS = $(test_cppflags) $(VISION_CFLAGS) -DTN_MODULE_NAME=vision -DFUZZ_RUNS=300000
tests_fuzz_image_LDADD = libtenon.la $(VISION_LIBS)
tests_fuzz_video_SOURCES = %D%/video.c %D%/modality.c %D%/modality.h %D%/fuzz.c %D%/fuzz.h $(video_sources)
tests_fuzz_video_CPPFLAGS = $(test_cppflags) $(VIDEO_CFLAGS) -DTN_MODULE_NAME=video -DFUZZ_RUNS=15000
tests_fuzz_video_LDADD = libtenon.la $(VIDEO_LIBS) -lm
EXTRA_DIST += tests/fuzz/corpus

# Each target for FUZZ_SECONDS, another seed each time. What brought one down goes into tests/fuzz/corpus.
FUZZ_SECONDS = 60
fuzz: $(fuzz_targets)
	@for target in $(fuzz_targets); do \
	  seed=$$(date +%s); echo "$$target: seed $$seed"; \
	  $(AM_TESTS_ENVIRONMENT) TENON_FUZZ_SECONDS=$(FUZZ_SECONDS) TENON_FUZZ_SEED=$$seed \
	    TENON_FUZZ_KEEP=$$target.input ./$$target || { \
	    echo "$$target failed: its input is in $(abs_builddir)/$$target.input" >&2; exit 1; }; \
	  rm -f $$target.input; \
	done
.PHONY: fuzz
