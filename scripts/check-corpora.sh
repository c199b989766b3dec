#!/bin/sh
# Reads public corpora with `medrounds data inspect` and reports which documents cannot be read: docs/data.md lists the results.
#
#   scripts/check-corpora.sh FOLDER
#
# FOLDER holds the corpora, none of which are part of this repository, and a file `list`: a name, a tab, and a path below FOLDER on each
# line. Labels of other guidelines are all mapped to "problem", which tests the reader, not the mapping.
set -eu
folder=${1:?name the folder of the corpora}
medrounds=${MEDROUNDS:-.build/release/medrounds}
failed=0
tab=$(printf '\t')
while IFS="$tab" read -r name path; do
    case $name in '' | '#'*) continue ;; esac
    # The first reading names the labels, the second one maps them.
    "$medrounds" data inspect "$folder/$path" --model none > "$folder/.first" 2> "$folder/.faults" || true
    set --
    kind=entity
    while IFS= read -r line; do
        case $line in
            '  relations of'*) kind=relation ;;
            '    '*'no type: map it with --label')
                label=$(printf '%s\n' "$line" | sed -E 's/^    (.*[^ ]) +[0-9]+  no type: map it with --label$/\1/')
                [ "$label" = "(not shown)" ] && continue
                if [ "$kind" = relation ]; then set -- "$@" --label "$label="; else set -- "$@" --label "$label=problem"; fi
                ;;
        esac
    done < "$folder/.first"
    if "$medrounds" data inspect "$folder/$path" --model none "$@" > "$folder/.second" 2> "$folder/.faults"; then
        printf '%s\n' "$name"
        grep -E '^  (documents|entities|spans|surfaces|unreadable)' "$folder/.second"
        grep -q '^  unreadable   0' "$folder/.second" || failed=1
    else
        printf '%s: cannot be read\n' "$name"
        cat "$folder/.faults"
        failed=1
    fi
done < "$folder/list"
rm -f "$folder/.first" "$folder/.second" "$folder/.faults"
exit $failed
