# SPDX-License-Identifier: Apache-2.0
# The server seen from outside, on the loopback.
serve_tests = %D%/serve.py %D%/embeddings.py %D%/hearing.py %D%/limits.py %D%/load.py %D%/models.py %D%/observe.py \
	%D%/settings.py %D%/vision.py
EXTRA_DIST += $(serve_tests) %D%/server.py %D%/models_folder.py %D%/bert.py
if HAVE_PYTHON
TESTS += $(serve_tests)
endif
