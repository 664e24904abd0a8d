# SPDX-License-Identifier: Apache-2.0
# Pictures and films through the helper that decodes them, and what it survives.
if HAVE_VISION
unit_tests += tests/media/images
endif
if HAVE_VIDEO
unit_tests += tests/media/films
if HAVE_VISION
unit_tests += tests/media/decoder
endif
endif
if HAVE_AUDIO
unit_tests += tests/media/sounds
endif
tests_media_sounds_SOURCES = %D%/sounds.c %D%/vectors.h tests/unit/unit.h
tests_media_sounds_CPPFLAGS = $(test_cppflags)
tests_media_sounds_LDADD = $(test_ldadd) -lm
tests_media_images_SOURCES = %D%/images.c %D%/vectors.h tests/unit/unit.h
tests_media_images_CPPFLAGS = $(test_cppflags)
tests_media_images_LDADD = $(test_ldadd)
tests_media_films_SOURCES = %D%/films.c %D%/vectors.h tests/unit/unit.h
tests_media_films_CPPFLAGS = $(test_cppflags)
tests_media_films_LDADD = $(test_ldadd) -lm
tests_media_decoder_SOURCES = %D%/decoder.c %D%/vectors.h tests/unit/unit.h
tests_media_decoder_CPPFLAGS = $(test_cppflags)
tests_media_decoder_LDADD = $(test_ldadd)

check_LTLIBRARIES += %D%/bad_modality.la
%C%_bad_modality_la_SOURCES = %D%/bad_modality.c
%C%_bad_modality_la_CPPFLAGS = $(module_cppflags) -D_GNU_SOURCE -DTN_MODULE_NAME=bad_modality
%C%_bad_modality_la_LDFLAGS = $(shared_module_ldflags)
%C%_bad_modality_la_LIBADD = $(BASE_LIBS)
