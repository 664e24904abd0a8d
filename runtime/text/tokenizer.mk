# SPDX-License-Identifier: Apache-2.0
# Tokenizers.
libtenon_la_SOURCES += \
	%D%/added.c %D%/added.h \
	%D%/bpe.c %D%/bpe.h %D%/bpe_merges.c \
	%D%/charsmap.c %D%/charsmap.h \
	%D%/decoder.c %D%/decoder.h \
	%D%/detok.c \
	%D%/encode.c \
	%D%/gguf_pre.c %D%/gguf_pre.h %D%/gguf_vocab.c %D%/gguf_vocab.h \
	%D%/json_decoder.c %D%/json_normalizer.c %D%/json_postproc.c %D%/json_splitter.c %D%/json_pipeline.h \
	%D%/json_get.c %D%/json_get.h \
	%D%/json_reader.c %D%/json_reader.h \
	%D%/normalizer.c %D%/normalizer.h \
	%D%/pattern.c %D%/pattern.h %D%/regex_translate.c \
	%D%/postproc.c %D%/postproc.h \
	%D%/splitter.c %D%/splitter.h \
	%D%/tokenizer.c %D%/tokenizer.h %D%/tokenizer_internal.h \
	%D%/tokenizer_dir.c %D%/tokenizer_gguf.c %D%/tokenizer_json.c %D%/tokenizer_json.h \
	%D%/tokenizer_to_gguf.c %D%/tokenizer_to_gguf.h \
	%D%/trie.c %D%/trie.h \
	%D%/unicode_forms.c %D%/unicode_forms.h \
	%D%/unigram.c %D%/unigram.h \
	%D%/utf8.c %D%/utf8.h \
	%D%/vocab.c %D%/vocab.h \
	%D%/wordpiece.c %D%/wordpiece.h
