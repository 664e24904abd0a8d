# SPDX-License-Identifier: Apache-2.0
# Long runs of a server with too many clients: `make soak` builds a tree of its own that watches its memory
# (--enable-sanitize) and runs for TN_SOAK_S seconds, ten minutes when nobody says otherwise. Few kernel sets are built:
# the sanitizer makes each a matter of minutes, and it is the server that is watched.
EXTRA_DIST += %D%/soak.py
soak_dir = soak-build

soak:
	@$(MKDIR_P) $(soak_dir) tests/soak
	@test -f $(soak_dir)/Makefile || (cd $(soak_dir) && \
	  '$(abs_top_srcdir)/configure' --enable-sanitize=address --with-cpu-sets='avx2 dotprod' CC='$(CC)' CFLAGS='-g -O1' \
	  > configure.log 2>&1) || \
	  { tail -n 20 $(soak_dir)/configure.log; exit 1; }
	@$(MAKE) -C $(soak_dir) all > $(soak_dir)/make.log 2>&1 || { tail -n 40 $(soak_dir)/make.log; exit 1; }
	@TN_SRCDIR='$(abs_top_srcdir)' TN_BUILDDIR='$(abs_top_builddir)/$(soak_dir)' TN_SOAK_S="$${TN_SOAK_S:-600}" \
	  TENON_MODULE_PATH='$(abs_top_builddir)/$(soak_dir)/plugins' \
	  $(LOG_DRIVER) --test-name tests/soak/soak --log-file tests/soak/soak.log --trs-file tests/soak/soak.trs \
	  --color-tests no --enable-hard-errors yes --expect-failure no -- $(PYTHON) $(top_srcdir)/tests/soak/soak.py
	@grep '^# ' tests/soak/soak.log | head -n 4
	@! grep -E '^:test-result: (FAIL|ERROR)' tests/soak/soak.trs

clean-local-soak:
	-rm -rf $(soak_dir) tests/soak/soak.log tests/soak/soak.trs
clean-local: clean-local-soak
.PHONY: soak clean-local-soak
