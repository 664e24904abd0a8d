# SPDX-License-Identifier: Apache-2.0
# The starter model: installed where `tenon run` looks when no model is named.
starterdir = $(datadir)/tenon/models
dist_starter_DATA = %D%/starter/starter.gguf
EXTRA_DIST += %D%/starter/README.md %D%/starter/eval.json %D%/starter/tokenizer.json %D%/starter/chat_template.jinja
# The starter vision model: `tenon run -m FOLDER --image FILE`.
starter_visiondir = $(datadir)/tenon/models/starter-vision
dist_starter_vision_DATA = %D%/starter-vision/chat_template.jinja %D%/starter-vision/config.json \
	%D%/starter-vision/generation_config.json %D%/starter-vision/model.safetensors \
	%D%/starter-vision/preprocessor_config.json %D%/starter-vision/tokenizer.json \
	%D%/starter-vision/tokenizer_config.json %D%/starter-vision/video_preprocessor_config.json
EXTRA_DIST += %D%/starter-vision/README.md %D%/starter-vision/eval.json
