# Shell functions of the test stand-in for POSIX shells: conda's own are not in the wheel that conda comes from.
# conda writes CONDA_EXE and its friends in front of this when it prints its hook.
conda() {
    case "${1:-}" in
        activate | deactivate | reactivate)
            __conda_code="$(PS1="${PS1:-}" "$CONDA_EXE" shell.posix "$@")" || return
            eval "$__conda_code"
            unset __conda_code
            hash -r
            ;;
        *) "$CONDA_EXE" "$@" ;;
    esac
}
if [ -z "${CONDA_SHLVL+x}" ]; then
    export CONDA_SHLVL=0
    case ":$PATH:" in
        *":${CONDA_EXE%/bin/conda}/condabin:"*) ;;
        *) export PATH="${CONDA_EXE%/bin/conda}/condabin:$PATH" ;;
    esac
    PS1="${PS1:-}"
fi
