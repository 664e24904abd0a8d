# SPDX-License-Identifier: Apache-2.0
# The public headers, installed as they stand.
tenonincludedir = $(includedir)/tenon
tenoninclude_HEADERS = \
	%D%/tenon/audio.h \
	%D%/tenon/config.h \
	%D%/tenon/encoder.h \
	%D%/tenon/family.h \
	%D%/tenon/modality.h \
	%D%/tenon/module.h \
	%D%/tenon/program.h \
	%D%/tenon/vision.h \
	%D%/tenon/status.h
EXTRA_DIST += %D%/LICENSE
