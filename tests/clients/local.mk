# SPDX-License-Identifier: Apache-2.0
# Official client libraries as judges of the wire format. Needs npm and its registry, so it is no part of `check`. Current
# packages want Node 22 or newer, which the npm package `node` carries.
EXTRA_DIST += %D%/openai.js %D%/package.json %D%/package-lock.json
clients_dir = tests/clients

check-clients: all
	@$(MKDIR_P) $(clients_dir)/run
	@cp $(top_srcdir)/$(clients_dir)/package.json $(top_srcdir)/$(clients_dir)/package-lock.json \
	  $(top_srcdir)/$(clients_dir)/openai.js $(clients_dir)/run/
	cd $(clients_dir)/run && npm ci --no-audit --no-fund --loglevel=error
	TENON='$(abs_top_builddir)/tenon' STARTER='$(abs_top_srcdir)/models/starter/starter.gguf' \
	  EMBEDDER='$(abs_top_srcdir)/tests/vectors/models/minilm' \
	  SEER='$(abs_top_srcdir)/models/starter-vision' SCENES='$(abs_top_srcdir)/tests/vectors/scenes' \
	  $(LOG_DRIVER) --test-name tests/clients/openai --log-file $(clients_dir)/openai.log \
	  --trs-file $(clients_dir)/openai.trs --color-tests no --enable-hard-errors yes --expect-failure no -- \
	  $(clients_dir)/run/node_modules/.bin/node $(clients_dir)/run/openai.js
	@! grep -E '^:test-result: (FAIL|ERROR)' $(clients_dir)/openai.trs

clean-local-clients:
	-rm -rf $(clients_dir)/run $(clients_dir)/openai.log $(clients_dir)/openai.trs
clean-local: clean-local-clients
.PHONY: check-clients clean-local-clients
