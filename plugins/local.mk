# SPDX-License-Identifier: Apache-2.0
# A module is a directory with a local.mk, and its line below. The fragment appends to family_modules or
# modality_modules; this decides what becomes of them: shared objects in $(moduledir), or parts of the program
# (--with-preopened-modules).
family_modules =
modality_modules =

include plugins/audio/local.mk
include plugins/bert/local.mk
include plugins/gemma/local.mk
include plugins/llama/local.mk
include plugins/phi3/local.mk
include plugins/qwen3/local.mk
include plugins/qwen3_5/local.mk
include plugins/qwen_audio/local.mk
include plugins/qwen_vl/local.mk
include plugins/template/local.mk
include plugins/video/local.mk
include plugins/vision/local.mk
include plugins/whisper/local.mk
in_tree_modules = $(family_modules) $(modality_modules)

# A program that is to have them says so three times (runtime/cli/local.mk): $(preopen_flags) among its LDFLAGS,
# $(preopen_modules) among its EXTRA_..._DEPENDENCIES, and tn_loader_set_preopened() in its main().
if PREOPEN_MODULES
noinst_LTLIBRARIES += $(in_tree_modules)
preopen_modules = $(in_tree_modules)
preopen_flags = $(in_tree_modules:%=-dlpreopen %)
else
module_LTLIBRARIES += $(in_tree_modules)
preopen_modules =
preopen_flags =
endif
