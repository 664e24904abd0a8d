#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes kernels as a C file that defines tn_metal_embedded (metal/host.h): each .metal file with its includes in their
# places, and the name of the stamp, which has the checksum of it all.
#
#   source.sh ROOT FILE.metal... > source.c      file names and includes are relative to ROOT
#   source.sh --stamp ROOT FILE.metal...         a .metal file with the stamp's kernel, for a library made beforehand
#   NAME=tn_other source.sh ...                  another name than tn_metal_embedded
#
# Standard sh and awk are all it needs.
set -eu
LC_ALL=C
export LC_ALL

mode=c
if [ "$1" = --stamp ]; then mode=stamp; shift; fi
root=$1
shift

# Each file's text, after a line "@FILE name". A file is included once into a text. Contraction, off as in all of the
# program: the bits of a result are those that the source says.
resolve() {
    for file in "$@"; do
        awk -v root="$root" -v file="$file" '
            function place(name, path, line, n, parts) {
                if (name in seen) return
                seen[name] = 1
                path = root "/" name
                print "#line 1 \"" name "\""
                n = 0
                while ((got = (getline line < path)) > 0) {
                    n++
                    if (line ~ /^[ \t]*#[ \t]*include[ \t]*"/) {
                        split(line, parts, "\"")
                        place(parts[2])
                        print "#line " n + 1 " \"" name "\""
                    } else
                        print line
                }
                if (got < 0) {
                    print "source.sh: cannot read " path > "/dev/stderr"
                    exit failed = 1
                }
                close(path)
            }
            BEGIN {
                print "@FILE " file
                print "#pragma METAL fp contract(off)"
                place(file)
                exit failed
            }' || exit 1
    done
}

text=$(resolve "$@")
stamp=tn_kernels_$(printf '%s\n' "$text" | cksum | awk '{ print $1 "_" $2 }')

if [ $mode = stamp ]; then
    printf '/* SPDX-License-Identifier: Apache-2.0 */\nkernel void %s() {}\n' "$stamp"
    exit 0
fi

printf '%s\n' "$text" | awk -v stamp="$stamp" -v name="${NAME:-tn_metal_embedded}" '
    function end_file() { if (n_file) print "    \"\"},"; }
    BEGIN {
        print "/* SPDX-License-Identifier: Apache-2.0 */"
        print "/* Written by metal/source.sh. */"
        print "#include \"metal/host.h\"\n"
        print "static const tn_metal_source sources[] = {"
    }
    /^@FILE / {
        end_file()
        n_file++
        print "    {\"" substr($0, 7) "\","
        next
    }
    {
        gsub(/\\/, "\\\\\\\\")
        gsub(/"/, "\\\"")
        gsub(/\?/, "\\?")
        print "    \"" $0 "\\n\""
    }
    END {
        end_file()
        print "    {0, 0},\n};"
        print "const tn_metal_kernels " name " = {sources, \"" stamp "\"};"
    }'
