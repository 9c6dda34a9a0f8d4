# Shell functions of the test stand-in for fish: conda's own are not in the wheel that conda comes from.
# conda writes CONDA_EXE and its friends in front of this when it prints its hook.
set -q CONDA_SHLVL; or set -gx CONDA_SHLVL 0
function conda --inherit-variable CONDA_EXE
    switch "$argv[1]"
        case activate deactivate reactivate
            eval ($CONDA_EXE shell.fish $argv)
        case '*'
            $CONDA_EXE $argv
    end
end
