# SPDX-License-Identifier: Apache-2.0
# fish completion for tenon(1). The program itself knows what may come next: see "tenon complete".
function __tenon_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] complete -- $words[2..-1] "$current" 2>/dev/null)
        if test "$line" = :file
            __fish_complete_path "$current"
        else
            printf '%s\n' $line
        end
    end
end
complete -c tenon -f -a '(__tenon_complete)'
