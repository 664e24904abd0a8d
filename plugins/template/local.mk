# SPDX-License-Identifier: Apache-2.0
# The module to copy. Built, so that it stays right, but not installed: a copy adds itself to family_modules instead.
check_LTLIBRARIES += %D%/template.la
%C%_template_la_SOURCES = %D%/template.c
%C%_template_la_CPPFLAGS = $(module_cppflags) -DTN_MODULE_NAME=template
%C%_template_la_LDFLAGS = $(shared_module_ldflags)
%C%_template_la_LIBADD = -lm
