# SPDX-License-Identifier: Apache-2.0
# The starter model: installed where `tenon run` looks when no model is named.
starterdir = $(datadir)/tenon/models
dist_starter_DATA = %D%/starter/starter.gguf
EXTRA_DIST += %D%/starter/README.md %D%/starter/eval.json %D%/starter/tokenizer.json %D%/starter/chat_template.jinja
