# SPDX-License-Identifier: Apache-2.0
# The program. Everything but main() is a library too, so that unit tests can link it.
bin_PROGRAMS += tenon
noinst_LTLIBRARIES += libtenoncli.la

tenon_SOURCES = %D%/main.c
tenon_LDADD = libtenoncli.la libtenon.la
tenon_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tenon_DEPENDENCIES = $(preopen_modules)

libtenoncli_la_SOURCES = \
	%D%/bench_child.c %D%/bench_child.h \
	%D%/bench_compare.c %D%/bench_compare.h \
	%D%/bench_embed.c %D%/bench_embed.h \
	%D%/bench_gaps.c %D%/bench_gaps.h \
	%D%/bench_limits.c %D%/bench_limits.h \
	%D%/bench_measure.c %D%/bench_measure.h \
	%D%/bench_profile.c %D%/bench_profile.h \
	%D%/bench_vision.c %D%/bench_vision.h \
	%D%/cmd_bench.c \
	%D%/cmd_chat.c \
	%D%/cmd_complete.c \
	%D%/cmd_config.c \
	%D%/cmd_detokenize.c \
	%D%/cmd_embed.c \
	%D%/cmd_generate.c \
	%D%/cmd_help.c \
	%D%/cmd_logits.c \
	%D%/cmd_modules.c \
	%D%/cmd_perplexity.c \
	%D%/cmd_ps.c \
	%D%/cmd_quantize.c \
	%D%/cmd_render.c \
	%D%/cmd_run.c \
	%D%/cmd_selftest.c \
	%D%/cmd_serve.c \
	%D%/cmd_transcribe.c \
	%D%/cmd_tokenize.c \
	%D%/command.h %D%/commands.c \
	%D%/common.c %D%/common.h \
	%D%/converse.c %D%/converse.h \
	%D%/estimate.c %D%/estimate.h \
	%D%/frame.c %D%/frame.h \
	%D%/http_get.c %D%/http_get.h \
	%D%/ids.c %D%/ids.h \
	%D%/interrupt.c %D%/interrupt.h \
	%D%/json_lines.c %D%/json_lines.h \
	%D%/load.c %D%/load.h \
	%D%/look.c %D%/look.h \
	%D%/media_args.c %D%/media_args.h \
	%D%/npy.c %D%/npy.h \
	%D%/options.c %D%/options.h \
	%D%/output.c %D%/output.h \
	%D%/paths.c %D%/paths.h \
	%D%/progress.c %D%/progress.h \
	%D%/samples.c %D%/samples.h \
	%D%/sampling_args.c %D%/sampling_args.h \
	%D%/settings_args.c %D%/settings_args.h \
	%D%/text_model.c %D%/text_model.h \
	%D%/version.c %D%/version.h
nodist_libtenoncli_la_SOURCES = %D%/commit.c
libtenoncli_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) $(LIBEDIT_CFLAGS) $(CURL_CFLAGS) -DTN_MODEL_DIR='"$(pkgdatadir)/models"'
libtenoncli_la_LIBADD = $(LIBEDIT_LIBS) $(CURL_LIBS)

# These know installation folders: another prefix has to compile them again.
objects_with_folders = %D%/libtenoncli_la-common.lo runtime/modules/libtenon_la-discover.lo \
	runtime/config/libtenon_la-load.lo
$(objects_with_folders): Makefile

# Beside the program in a build tree, never installed: see paths.h.
noinst_DATA += tenon-uninstalled
CLEANFILES += tenon-uninstalled
tenon-uninstalled: Makefile
	$(AM_V_GEN){ echo 'TENON_MODULE_PATH=$(abs_top_builddir)/plugins'; \
	  echo 'TENON_MODEL_PATH=$(abs_top_srcdir)/models'; } > $@

# The commit that --version shows: looked up on every make, written only when it changed.
CLEANFILES += %D%/commit.c
%D%/commit.c: tn-always
	@$(MKDIR_P) %D%
	@commit=`$(SHELL) $(top_srcdir)/tools/commit.sh $(top_srcdir)` && { \
	    echo '/* SPDX-License-Identifier: Apache-2.0 */'; \
	    echo '#include "cli/version.h"'; echo; \
	    echo "const char tn_version_commit[] = \"$$commit\";"; } > $@.new && \
	  if cmp -s $@.new $@; then rm -f $@.new; else mv -f $@.new $@; fi
.PHONY: tn-always
EXTRA_DIST += tools/commit.sh .commit
dist-hook:
	@rm -f $(distdir)/.commit
	@$(SHELL) $(top_srcdir)/tools/commit.sh $(top_srcdir) > $(distdir)/.commit
