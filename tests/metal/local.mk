# SPDX-License-Identifier: Apache-2.0
# The kernels of metal/ on the CPU: translated to C++, run by a simulator. Where this machine cannot build that, one
# skipped test says why.
AM_TESTS_ENVIRONMENT += TN_METAL_SIM='$(TN_METAL_SIM_ANSWER)'; export TN_METAL_SIM; \
	TN_METAL_HOST='$(TN_METAL_HOST_ANSWER)'; export TN_METAL_HOST; TN_OBJC='$(OBJC)'; export TN_OBJC;

metal_tests = tests/metal/company tests/metal/faults tests/metal/kernels tests/metal/language tests/metal/long tests/metal/models tests/metal/program tests/metal/vision
EXTRA_DIST += %D%/README.md %D%/address_spaces.py %D%/faults.metal %D%/language.metal %D%/lint.py %D%/skip.sh

if HAVE_PYTHON
TESTS += %D%/address_spaces.py %D%/lint.py
endif

if METAL_SIM
check_LTLIBRARIES += tests/metal/libdevice.la tests/metal/libfaults.la tests/metal/liblanguage.la tests/metal/libsim.la
check_PROGRAMS += $(metal_tests)
TESTS += $(metal_tests)
else
TESTS += %D%/skip.sh
endif

metal_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/metal -I$(top_srcdir)/tests/metal/sim/include -I$(top_srcdir)
metal_test_cppflags = $(metal_cppflags) -I$(top_srcdir)/tests $(CMOCKA_CFLAGS)
metal_test_ldadd = tests/metal/libsim.la libtenon.la $(CMOCKA_LIBS) $(BASE_LIBS)

# The simulator.
tests_metal_libsim_la_SOURCES = \
	%D%/sim/checks.cpp \
	%D%/sim/dispatch.cpp \
	%D%/sim/fiber.cpp %D%/sim/fiber.h \
	%D%/sim/include/metal_stdlib \
	%D%/sim/memory.cpp \
	%D%/sim/msl_math.h %D%/sim/msl_matrix.h %D%/sim/msl_simd.h %D%/sim/msl_threads.h %D%/sim/msl_types.h \
	%D%/sim/runtime.h \
	%D%/sim/scheduler.cpp \
	%D%/sim/sim.h
tests_metal_libsim_la_CPPFLAGS = $(metal_cppflags)
tests_metal_libsim_la_CXXFLAGS = $(TN_CXXFLAGS)

# Kernels as C++: those of metal/ (and each without one of its barriers), and those that are wrong on purpose.
mslx = PYTHONDONTWRITEBYTECODE=1 $(PYTHON) $(top_srcdir)/tools/mslx/mslx.py --root $(top_srcdir)
CLEANFILES += tests/metal/metal-kernels.cpp tests/metal/metal-faults.cpp tests/metal/metal-language.cpp

tests/metal/metal-kernels.cpp: $(metal_kernels) $(metal_headers) $(mslx_sources)
	$(AM_V_GEN)$(MKDIR_P) tests/metal && \
	  $(mslx) --library metal_kernels --without-barriers metal_mutants -o $@ $(metal_kernels)
tests/metal/metal-faults.cpp: tests/metal/faults.metal $(mslx_sources)
	$(AM_V_GEN)$(MKDIR_P) tests/metal && $(mslx) --library metal_faults -o $@ tests/metal/faults.metal

tests/metal/metal-language.cpp: tests/metal/language.metal $(mslx_sources)
	$(AM_V_GEN)$(MKDIR_P) tests/metal && $(mslx) --library metal_language -o $@ tests/metal/language.metal

# The runtime compiled for macOS.
EXTRA_DIST += %D%/apple.sh %D%/apple-symbols.txt \
	%D%/machdr/arpa/inet.h %D%/machdr/mach-o/dyld.h %D%/machdr/netinet/in.h %D%/machdr/netinet/tcp.h \
	%D%/machdr/sys/ioctl.h %D%/machdr/sys/mman.h %D%/machdr/sys/random.h %D%/machdr/sys/resource.h \
	%D%/machdr/sys/socket.h %D%/machdr/sys/stat.h %D%/machdr/sys/sysctl.h %D%/machdr/sys/time.h %D%/machdr/sys/types.h %D%/machdr/sys/wait.h \
	%D%/machdr/assert.h %D%/machdr/ctype.h %D%/machdr/dirent.h %D%/machdr/dlfcn.h %D%/machdr/errno.h \
	%D%/machdr/fcntl.h %D%/machdr/fnmatch.h %D%/machdr/getopt.h %D%/machdr/inttypes.h %D%/machdr/limits.h \
	%D%/machdr/locale.h %D%/machdr/math.h %D%/machdr/netdb.h %D%/machdr/poll.h %D%/machdr/pthread.h \
	%D%/machdr/setjmp.h %D%/machdr/signal.h %D%/machdr/spawn.h %D%/machdr/stdio.h %D%/machdr/stdlib.h %D%/machdr/string.h %D%/machdr/strings.h \
	%D%/machdr/time.h %D%/machdr/unistd.h %D%/machdr/wchar.h %D%/machdr/wctype.h
TESTS += %D%/apple.sh

# metal/host.m over a stand-in for Metal, to be linked with libdevice.la, where the kernels are, and $(OBJC_LIBS).
metal_standin_cppflags = -I$(top_srcdir)/tests/metal/standin $(metal_cppflags)
EXTRA_DIST += %D%/host/first.metal %D%/host/second.metal %D%/skip_host.sh
if METAL_HOST
check_LTLIBRARIES += tests/metal/libmetalhost.la
check_PROGRAMS += tests/metal/host tests/metal/host_company tests/metal/host_models tests/metal/host_vision
TESTS += tests/metal/host tests/metal/host_company tests/metal/host_models tests/metal/host_vision
else
TESTS += %D%/skip_host.sh
endif

tests_metal_libmetalhost_la_SOURCES = \
	$(metal_host_sources) \
	%D%/standin/Foundation/Foundation.h %D%/standin/Metal/Metal.h \
	%D%/standin/commands.m \
	%D%/standin/device.m \
	%D%/standin/library.m \
	%D%/standin/objects.m \
	%D%/standin/private.h \
	%D%/standin/run.m \
	%D%/standin/standin.h
nodist_tests_metal_libmetalhost_la_SOURCES = metal/source.c
tests_metal_libmetalhost_la_CPPFLAGS = $(metal_standin_cppflags)
# clang is not the compiler that libtool was configured for.
tests_metal_libmetalhost_la_LIBTOOLFLAGS = --tag=CC

CLEANFILES += tests/metal/metal-host.cpp tests/metal/host-source.c
metal_host_kernels = tests/metal/host/first.metal tests/metal/host/second.metal
tests/metal/metal-host.cpp: $(metal_host_kernels) $(metal_headers) $(mslx_sources)
	$(AM_V_GEN)$(MKDIR_P) tests/metal && $(mslx) --library host_kernels -o $@ $(metal_host_kernels)
tests/metal/host-source.c: $(metal_host_kernels) $(metal_headers) metal/source.sh
	$(AM_V_GEN)$(MKDIR_P) tests/metal && \
	  NAME=host_sources $(SHELL) $(top_srcdir)/metal/source.sh $(top_srcdir) $(metal_host_kernels) > $@.tmp && \
	  mv $@.tmp $@

tests_metal_host_SOURCES = %D%/host.c %D%/host_faults.c %D%/host_test.h %D%/misuse.m
nodist_tests_metal_host_SOURCES = tests/metal/metal-host.cpp tests/metal/host-source.c
tests_metal_host_CPPFLAGS = $(metal_standin_cppflags) -I$(top_srcdir)/tests $(CMOCKA_CFLAGS)
tests_metal_host_CXXFLAGS = $(TN_CXXFLAGS)
tests_metal_host_LDADD = $(metal_host_ldadd)

# Whole models through it: the programs of msl-sim, further below.
metal_host_ldadd = tests/metal/libmetalhost.la tests/metal/libdevice.la $(metal_test_ldadd) $(OBJC_LIBS)
tests_metal_host_models_SOURCES = \
	%D%/models.c %D%/tested.h %D%/tested_metal.c \
	tests/golden/fixture.c tests/golden/fixture.h
tests_metal_host_models_CPPFLAGS = $(metal_test_cppflags)
tests_metal_host_models_LDADD = $(metal_host_ldadd)
nodist_EXTRA_tests_metal_host_models_SOURCES = dummy.cpp
tests_metal_host_models_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_metal_host_models_DEPENDENCIES = $(preopen_modules)

tests_metal_host_company_SOURCES = \
	%D%/company.c %D%/tested.h %D%/tested_metal.c \
	tests/golden/company.c tests/golden/company.h \
	tests/golden/fixture.c tests/golden/fixture.h
tests_metal_host_company_CPPFLAGS = $(metal_test_cppflags)
tests_metal_host_company_LDADD = $(metal_host_ldadd)
nodist_EXTRA_tests_metal_host_company_SOURCES = dummy.cpp
tests_metal_host_company_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_metal_host_company_DEPENDENCIES = $(preopen_modules)

tests_metal_host_vision_SOURCES = \
	%D%/vision.c %D%/tested.h %D%/tested_metal.c \
	tests/golden/fixture.c tests/golden/fixture.h
tests_metal_host_vision_CPPFLAGS = $(metal_test_cppflags)
tests_metal_host_vision_LDADD = $(metal_host_ldadd)
nodist_EXTRA_tests_metal_host_vision_SOURCES = dummy.cpp
tests_metal_host_vision_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_metal_host_vision_DEPENDENCIES = $(preopen_modules)

# msl-sim, with its kernels.
tests_metal_libdevice_la_SOURCES = %D%/gpu_sim.c %D%/gpu_sim.h
nodist_tests_metal_libdevice_la_SOURCES = tests/metal/metal-kernels.cpp
tests_metal_libdevice_la_CPPFLAGS = $(metal_cppflags)
tests_metal_libdevice_la_CXXFLAGS = $(TN_CXXFLAGS) $(TN_KERNEL_CXXFLAGS)

tests_metal_libfaults_la_SOURCES =
nodist_tests_metal_libfaults_la_SOURCES = tests/metal/metal-faults.cpp
tests_metal_libfaults_la_CPPFLAGS = $(metal_cppflags)
tests_metal_libfaults_la_CXXFLAGS = $(TN_CXXFLAGS) $(TN_KERNEL_CXXFLAGS)

tests_metal_liblanguage_la_SOURCES =
nodist_tests_metal_liblanguage_la_SOURCES = tests/metal/metal-language.cpp
tests_metal_liblanguage_la_CPPFLAGS = $(metal_cppflags)
tests_metal_liblanguage_la_CXXFLAGS = $(TN_CXXFLAGS) $(TN_KERNEL_CXXFLAGS)

tests_metal_faults_SOURCES = %D%/faults.c %D%/libraries.h
tests_metal_faults_CPPFLAGS = $(metal_test_cppflags)
tests_metal_faults_LDADD = tests/metal/libfaults.la $(metal_test_ldadd)
# dummy.cpp, which does not exist, makes automake link by the C++ compiler: the libraries want its run time.
nodist_EXTRA_tests_metal_faults_SOURCES = dummy.cpp

tests_metal_language_SOURCES = %D%/language.c %D%/libraries.h
tests_metal_language_CPPFLAGS = $(metal_test_cppflags)
tests_metal_language_LDADD = tests/metal/liblanguage.la $(metal_test_ldadd)
nodist_EXTRA_tests_metal_language_SOURCES = dummy.cpp

tests_metal_kernels_SOURCES = \
	%D%/kernels.c \
	%D%/libraries.h
tests_metal_kernels_CPPFLAGS = $(metal_test_cppflags)
tests_metal_kernels_LDADD = tests/metal/libdevice.la $(metal_test_ldadd)
nodist_EXTRA_tests_metal_kernels_SOURCES = dummy.cpp

tests_metal_long_SOURCES = \
	%D%/long.c \
	%D%/tiny_forward.c %D%/tiny_forward.h
tests_metal_long_CPPFLAGS = $(metal_test_cppflags)
tests_metal_long_LDADD = tests/metal/libdevice.la $(metal_test_ldadd)
nodist_EXTRA_tests_metal_long_SOURCES = dummy.cpp

tests_metal_program_SOURCES = \
	%D%/program.c \
	%D%/tiny_forward.c %D%/tiny_forward.h
tests_metal_program_CPPFLAGS = $(metal_test_cppflags)
tests_metal_program_LDADD = tests/metal/libdevice.la $(metal_test_ldadd)
nodist_EXTRA_tests_metal_program_SOURCES = dummy.cpp

tests_metal_models_SOURCES = \
	%D%/models.c \
	%D%/tested.h %D%/tested_sim.c \
	tests/golden/fixture.c tests/golden/fixture.h
tests_metal_models_CPPFLAGS = $(metal_test_cppflags)
tests_metal_models_LDADD = tests/metal/libdevice.la $(metal_test_ldadd)
nodist_EXTRA_tests_metal_models_SOURCES = dummy.cpp
tests_metal_models_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_metal_models_DEPENDENCIES = $(preopen_modules)

tests_metal_company_SOURCES = \
	%D%/company.c \
	%D%/tested.h %D%/tested_sim.c \
	tests/golden/company.c tests/golden/company.h \
	tests/golden/fixture.c tests/golden/fixture.h
tests_metal_company_CPPFLAGS = $(metal_test_cppflags)
tests_metal_company_LDADD = tests/metal/libdevice.la $(metal_test_ldadd)
nodist_EXTRA_tests_metal_company_SOURCES = dummy.cpp
tests_metal_company_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_metal_company_DEPENDENCIES = $(preopen_modules)

tests_metal_vision_SOURCES = \
	%D%/vision.c \
	%D%/tested.h %D%/tested_sim.c \
	tests/golden/fixture.c tests/golden/fixture.h
tests_metal_vision_CPPFLAGS = $(metal_test_cppflags)
tests_metal_vision_LDADD = tests/metal/libdevice.la $(metal_test_ldadd)
nodist_EXTRA_tests_metal_vision_SOURCES = dummy.cpp
tests_metal_vision_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_metal_vision_DEPENDENCIES = $(preopen_modules)
