# SPDX-License-Identifier: Apache-2.0
family_modules += %D%/phi3.la
%C%_phi3_la_SOURCES = %D%/phi3.c
%C%_phi3_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=phi3
%C%_phi3_la_LDFLAGS = $(module_ldflags)
%C%_phi3_la_LIBADD = -lm
EXTRA_DIST += %D%/MODEL.md
