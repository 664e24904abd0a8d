# SPDX-License-Identifier: Apache-2.0
# The template engine: source to tokens to a tree, which a render walks.
libtenon_la_SOURCES += runtime/text/template.c runtime/text/template.h \
	%D%/access.c %D%/arena.c %D%/arena.h %D%/ast.h %D%/chars.c %D%/chars.h %D%/compare.c \
	%D%/container.c %D%/convert.c %D%/convert.h %D%/eval.c %D%/eval.h %D%/exec.c %D%/filters.h \
	%D%/filters_items.c %D%/filters_number.c %D%/filters_select.c %D%/filters_text.c %D%/format.c \
	%D%/formatting.c %D%/formatting.h %D%/globals.c %D%/letters.c %D%/letters.h %D%/lexer.c \
	%D%/lexer.h %D%/literal.c %D%/literal.h %D%/loop.c %D%/macro.c %D%/methods_search.c \
	%D%/methods_string.c %D%/native.c %D%/native.h %D%/ops.c %D%/ops.h %D%/parse_base.c \
	%D%/parse_expr.c %D%/parse_primary.c %D%/parse_stmt.c %D%/parser.h %D%/print.c %D%/printf.c \
	%D%/run.c %D%/run.h %D%/sort.c %D%/strftime.c %D%/strftime.h %D%/strings.h %D%/tests.c \
	%D%/tojson.c %D%/value.c %D%/value.h
