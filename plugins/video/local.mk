# SPDX-License-Identifier: Apache-2.0
video_sources = %D%/video.c %D%/video.h %D%/extent.c %D%/frames.c %D%/source.c %D%/timeline.c
if HAVE_VIDEO
modality_modules += %D%/video.la
%C%_video_la_SOURCES = $(video_sources)
%C%_video_la_CPPFLAGS = $(module_cppflags) $(VIDEO_CFLAGS) -DTN_MODULE_NAME=video
%C%_video_la_LDFLAGS = $(module_ldflags)
%C%_video_la_LIBADD = $(VIDEO_LIBS) -lm
endif
