# SPDX-License-Identifier: Apache-2.0
# The CUDA device without a GPU: kernels through clang, and compiled where NVIDIA's compiler is; the host part over stand-ins
# for NVIDIA's libraries.
if CUDA_DEVICE
unit_tests += tests/metal/cuda_compile tests/metal/cuda_host
check_LTLIBRARIES += tests/metal/fake_cuda.la tests/metal/fake_nvrtc.la
endif

tests_metal_cuda_compile_SOURCES = %D%/cuda_compile.c tests/unit/unit.h
tests_metal_cuda_compile_CPPFLAGS = $(test_cppflags) -I$(top_srcdir)
tests_metal_cuda_compile_LDADD = $(test_ldadd) $(BASE_LIBS)

tests_metal_cuda_host_SOURCES = %D%/cuda_host.c %D%/fake_cuda.h tests/unit/unit.h
tests_metal_cuda_host_CPPFLAGS = $(test_cppflags) -I$(top_srcdir) -I$(top_srcdir)/tests/metal
tests_metal_cuda_host_LDADD = $(test_ldadd) $(BASE_LIBS)
EXTRA_tests_metal_cuda_host_DEPENDENCIES = tests/metal/fake_cuda.la tests/metal/fake_nvrtc.la

# -rpath: nothing shared is made without one.
fake_ldflags = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
tests_metal_fake_cuda_la_SOURCES = %D%/fake_cuda.c %D%/fake_cuda.h
tests_metal_fake_cuda_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_metal_fake_cuda_la_LDFLAGS = $(fake_ldflags)
tests_metal_fake_nvrtc_la_SOURCES = %D%/fake_nvrtc.c %D%/fake_cuda.h
tests_metal_fake_nvrtc_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_metal_fake_nvrtc_la_LDFLAGS = $(fake_ldflags)

EXTRA_DIST += %D%/cuda_clang.h %D%/cuda_clang.py
if HAVE_PYTHON
TESTS += %D%/cuda_clang.py
endif

# Tests of the language and of whole models on a GPU that is there; built when tools/gpu/pack.sh asks.
EXTRA_PROGRAMS += tests/metal/models_cuda tests/metal/company_cuda tests/metal/vision_cuda tests/metal/language_cuda
tests_metal_models_cuda_SOURCES = \
	%D%/models.c \
	%D%/tested.h %D%/tested_cuda.c \
	tests/golden/fixture.c tests/golden/fixture.h
tests_metal_models_cuda_CPPFLAGS = $(test_cppflags) -I$(top_srcdir)
tests_metal_models_cuda_LDADD = $(test_ldadd) $(BASE_LIBS)
tests_metal_models_cuda_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_metal_models_cuda_DEPENDENCIES = $(preopen_modules)

tests_metal_company_cuda_SOURCES = \
	%D%/company.c \
	%D%/tested.h %D%/tested_cuda.c \
	tests/golden/company.c tests/golden/company.h \
	tests/golden/fixture.c tests/golden/fixture.h
tests_metal_company_cuda_CPPFLAGS = $(test_cppflags) -I$(top_srcdir)
tests_metal_company_cuda_LDADD = $(test_ldadd) $(BASE_LIBS)
tests_metal_company_cuda_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_metal_company_cuda_DEPENDENCIES = $(preopen_modules)

tests_metal_vision_cuda_SOURCES = \
	%D%/vision.c \
	%D%/tested.h %D%/tested_cuda.c \
	tests/golden/fixture.c tests/golden/fixture.h
tests_metal_vision_cuda_CPPFLAGS = $(test_cppflags) -I$(top_srcdir)
tests_metal_vision_cuda_LDADD = $(test_ldadd) $(BASE_LIBS)
tests_metal_vision_cuda_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_metal_vision_cuda_DEPENDENCIES = $(preopen_modules)

# -include: a struct of the kernels' own.
tests_metal_language_cuda_SOURCES = %D%/language.c %D%/language_cuda.c %D%/cuda_language.h %D%/libraries.h
nodist_tests_metal_language_cuda_SOURCES = tests/metal/cuda-language.c
tests_metal_language_cuda_CPPFLAGS = $(test_cppflags) -I$(top_srcdir) -I$(top_srcdir)/tests/metal \
	-include $(top_srcdir)/tests/metal/cuda_language.h
tests_metal_language_cuda_LDADD = $(test_ldadd) $(BASE_LIBS)
CLEANFILES += tests/metal/cuda-language.c
tests/metal/cuda-language.c: tests/metal/language.metal $(metal_headers) $(cuda_stdlib) $(mslx_sources) tools/mslx/cuda.py
	$(AM_V_GEN)$(MKDIR_P) tests/metal && PYTHONDONTWRITEBYTECODE=1 $(PYTHON) $(top_srcdir)/tools/mslx/cuda.py \
	  --root $(top_srcdir) --library $(cuda_stdlib) -o $@ tests/metal/language.metal
