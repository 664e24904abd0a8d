# SPDX-License-Identifier: Apache-2.0
# What a module's author finds us by.
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = %D%/tenon.pc
aclocaldir = $(datadir)/aclocal
aclocal_DATA = m4/tenon.m4
EXTRA_DIST += m4/tenon.m4
