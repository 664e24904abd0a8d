#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints the commit that a source tree is of: 'tools/commit.sh SRCDIR'. The file .commit holds it in a tree that came as an
# archive (git fills it in for 'git archive', 'make dist' writes it); elsewhere git knows; else it is "unknown".
srcdir=${1:-.}
commit=$(cat "$srcdir/.commit" 2>/dev/null)
case $commit in
'$Format'* | '') commit=$(git -C "$srcdir" describe --always --dirty --abbrev=12 2>/dev/null) ;;
esac
echo "${commit:-unknown}"
