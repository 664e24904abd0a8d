# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/bytes.h %D%/float.h \
	%D%/checkpoint.c %D%/checkpoint.h \
	%D%/dequant.h \
	%D%/dequant_fp4.c \
	%D%/dequant_iq.c \
	%D%/dequant_k.c \
	%D%/dequant_legacy.c \
	%D%/dequant_plain.c \
	%D%/dequant_scaled.c \
	%D%/gguf.c %D%/gguf.h \
	%D%/gguf_part.c %D%/gguf_part.h \
	%D%/gguf_value.c \
	%D%/gguf_write.c %D%/gguf_write.h \
	%D%/mmproj.c %D%/mmproj.h \
	%D%/names.c %D%/names.h \
	%D%/quantize.c %D%/quantize.h \
	%D%/quantize_k.c \
	%D%/quantize_legacy.c \
	%D%/quantize_search.h \
	%D%/safetensors.c %D%/safetensors.h \
	%D%/scaled.c %D%/scaled.h \
	%D%/shards.c %D%/shards.h \
	%D%/tensor.c %D%/tensor.h
