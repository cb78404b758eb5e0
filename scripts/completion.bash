# Completes `python train.py ...` and `python scripts/...` with the Tab key, in bash: `source scripts/completion.bash`.
# Hydra is asked for train.py and scripts/tune.py, Typer for the other scripts; elsewhere there are names of files.

_karyocyte_completer=$(dirname "$(realpath "${BASH_SOURCE[0]}")")/shared/_complete.py

_karyocyte_completion() {
    local line=${COMP_LINE:0:COMP_POINT} words word script choices choice beginning
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=${words[-1]}
    script=${words[1]%/}
    [[ -f $script/__main__.py ]] && script=$script/__main__.py
    COMPREPLY=()
    (( ${#words[@]} > 2 )) && [[ -f $script ]] || return
    [[ $(realpath "$script") == "${_karyocyte_completer%/scripts/*}"/* ]] || return  # no other program is started
    if grep -q "^@hydra.main" "$script"; then
        # Hydra knows the word python, but not a path such as .venv/bin/python.
        choices=$(COMP_LINE="python ${line#*[[:space:]]}" "${words[0]}" "$script" -sc query=bash 2> /dev/null)
    elif grep -q "^app = typer.Typer" "$script"; then
        choices=$("${words[0]}" "$_karyocyte_completer" "${words[@]:1}" 2> /dev/null)
    fi
    while read -r choice; do  # not compgen -W, which would expand a $ in a choice
        [[ -n $choice && $choice == "$word"* ]] && COMPREPLY+=("$choice")
    done < <(tr ' ' '\n' <<< "$choices")
    [[ ${COMPREPLY[0]} == *[=.] ]] && compopt -o nospace 2> /dev/null
    # Bash replaces what follows the last = or : of a word; the choices are whole words.
    beginning=${word%"${word##*[=:]}"}
    COMPREPLY=("${COMPREPLY[@]#"$beginning"}")
}
complete -o default -F _karyocyte_completion python python3
