# SPDX-License-Identifier: Apache-2.0
# What made the starter model; nothing of it is needed to build or to run.
EXTRA_DIST += \
  %D%/train/README.md \
  %D%/train/bpe.py \
  %D%/train/chatml.py \
  %D%/train/check.py \
  %D%/train/encode.py \
  %D%/train/evaluate.py \
  %D%/train/export_gguf.py \
  %D%/train/gguf.py \
  %D%/train/judge.py \
  %D%/train/model.py \
  %D%/train/optimizer.py \
  %D%/train/prompts.py \
  %D%/train/starter_data.py \
  %D%/train/starter_run.sh \
  %D%/train/stream.py \
  %D%/train/train.py \
  %D%/train/tasks/__init__.py \
  %D%/train/tasks/calling.py \
  %D%/train/tasks/context.py \
  %D%/train/tasks/facts.py \
  %D%/train/tasks/jsons.py \
  %D%/train/tasks/knowledge.py \
  %D%/train/tasks/maths.py \
  %D%/train/tasks/phrase.py \
  %D%/train/tasks/stories.py \
  %D%/train/tasks/talk.py \
  %D%/train/tasks/words.py
mslx_sources = \
	tools/mslx/kernels.py \
	tools/mslx/language.py \
	tools/mslx/lint.py \
	tools/mslx/metal_stdlib.clh \
	tools/mslx/mslx.py \
	tools/mslx/opencl.py \
	tools/mslx/rules.py \
	tools/mslx/sizes.py \
	tools/mslx/sources.py \
	tools/mslx/tokens.py
EXTRA_DIST += $(mslx_sources) tools/mslx/cuda.py

# For a machine with an NVIDIA GPU; built when tools/gpu/pack.sh asks.
EXTRA_DIST += %D%/gpu/h200.sh %D%/gpu/pack.sh
EXTRA_PROGRAMS += tools/gpu/bench_kernels
tools_gpu_bench_kernels_SOURCES = %D%/gpu/bench_kernels.c
tools_gpu_bench_kernels_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tools_gpu_bench_kernels_LDADD = libtenon.la $(BASE_LIBS)
