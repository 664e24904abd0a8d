# SPDX-License-Identifier: Apache-2.0
# From frames to patches, from placeholders to prompts.
unit_tests += tests/unit/media_resize tests/unit/media_patches
tests_unit_media_resize_SOURCES = %D%/media_resize.c %D%/unit.h
tests_unit_media_resize_CPPFLAGS = $(test_cppflags)
tests_unit_media_resize_LDADD = $(test_ldadd) -lm
tests_unit_media_patches_SOURCES = %D%/media_patches.c %D%/png.c %D%/png.h %D%/unit.h %D%/vision_fixtures.h
tests_unit_media_patches_CPPFLAGS = $(test_cppflags)
tests_unit_media_patches_LDADD = $(test_ldadd) -lm
unit_tests += tests/unit/media_sound
tests_unit_media_sound_SOURCES = %D%/media_sound.c %D%/sound_fixtures.h %D%/unit.h
tests_unit_media_sound_CPPFLAGS = $(test_cppflags)
tests_unit_media_sound_LDADD = $(test_ldadd) -lm
unit_tests += tests/unit/media_prompt tests/unit/media_sampling
tests_unit_media_prompt_SOURCES = %D%/media_prompt.c %D%/png.c %D%/png.h %D%/unit.h %D%/vision_fixtures.h
tests_unit_media_prompt_CPPFLAGS = $(test_cppflags)
tests_unit_media_prompt_LDADD = $(test_ldadd)
tests_unit_media_sampling_SOURCES = %D%/media_sampling.c %D%/unit.h
tests_unit_media_sampling_CPPFLAGS = $(test_cppflags)
tests_unit_media_sampling_LDADD = $(test_ldadd)
