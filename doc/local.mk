# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += %D%/tenon.1

# Completion scripts ask the program, so they are the same for every version.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = %D%/completion/tenon
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = %D%/completion/_tenon
fishcompletiondir = $(datadir)/fish/vendor_completions.d
dist_fishcompletion_DATA = %D%/completion/tenon.fish

dist_doc_DATA = %D%/design.md %D%/modules.md %D%/families.md
