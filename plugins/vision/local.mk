# SPDX-License-Identifier: Apache-2.0
vision_sources = %D%/vision.c %D%/vision.h %D%/bmp.c %D%/exif.c %D%/gif.c %D%/jpeg.c %D%/picture.c %D%/png.c %D%/webp.c
if HAVE_VISION
modality_modules += %D%/vision.la
%C%_vision_la_SOURCES = $(vision_sources)
%C%_vision_la_CPPFLAGS = $(module_cppflags) $(VISION_CFLAGS) -D_GNU_SOURCE -DTN_MODULE_NAME=vision
%C%_vision_la_LDFLAGS = $(module_ldflags)
%C%_vision_la_LIBADD = $(VISION_LIBS)
endif
