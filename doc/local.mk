# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += %D%/tenon.1 %D%/tenon.conf.5

# Completion scripts ask the program, so they are the same for every version.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = %D%/completion/tenon
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = %D%/completion/_tenon
fishcompletiondir = $(datadir)/fish/vendor_completions.d
dist_fishcompletion_DATA = %D%/completion/tenon.fish

dist_doc_DATA = %D%/design.md %D%/modules.md %D%/families.md %D%/sampling.md %D%/embeddings.md %D%/operating.md %D%/macos.md \
	%D%/metal.md %D%/performance.md

# Never installed where it would be read.
examplesdir = $(docdir)/examples
dist_examples_DATA = %D%/examples/tenon.conf
