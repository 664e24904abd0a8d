#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What people forget: a licence line in every source file, and headers in abi/ that any module may use.
src=${TN_SRCDIR:-.}
cd "$src" || exit 1
sources=$(find abi runtime plugins tests metal tools m4 doc bootstrap configure.ac Makefile.am \
    \( -name '*.[chm]' -o -name '*.metal' -o -name '*.py' -o -name '*.sh' -o -name '*.mk' -o -name 'tn-*.m4' \
       -o -name bootstrap -o -name configure.ac -o -name Makefile.am -o -name '*.1' \) ! -path '*/vectors/*' | sort)

report() { # NUMBER NAME FILES
    if [ -z "$3" ]; then
        echo "ok $1 - $2"
    else
        echo "not ok $1 - $2"
        echo "$3" | sed 's/^/# /'
    fi
}

echo 1..4
report 1 'every source file names its licence' "$(for f in $sources; do
    [ -s "$f" ] && ! head -n 3 "$f" | grep -q 'SPDX-License-Identifier: ' && echo "$f"; done)"
report 2 'public headers may be used under 0BSD' "$(grep -L 'SPDX-License-Identifier: 0BSD OR Apache-2.0' abi/tenon/*.h)"
report 3 'public headers include nothing of the runtime' "$(grep -nE '#include "' abi/tenon/*.h)"
# configure names the package of a library that it misses; ./bootstrap has to install it.
report 4 'bootstrap installs what configure asks for' "$(grep -oh 'Debian: [a-z0-9.+-]*[a-z0-9]' configure.ac m4/tn-*.m4 |
    cut -d' ' -f2 | sort -u | while read -r package; do
    grep -qw -- "$package" bootstrap || echo "$package"; done)"
