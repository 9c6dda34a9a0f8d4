# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernels of the lab's environments: where they start, with what, and how long they are offered."""

from __future__ import annotations

import json

import pytest

STATS = {
    "name": "stats",
    "display_name": "Statistics",
    "definition": {"dependencies": ["python=3.11", "ipykernel", "sh-kernel"], "variables": {"LAB_GREETING": "good morning"}},
}
ENVIRONMENT = "/opt/miniconda3/envs/stats"
KERNELS = "/usr/local/share/jupyter/kernels"
# What packages have in there is not always written with care.
SCRIPT = "export FROM_SCRIPT=$NOT_SET/here\nfalse\nno-such-command\n"


@pytest.fixture(scope="module")
def environments(host, converge):
    """Make the environments of the lab; whatever they were, they are as before for the next file."""

    def make(*items, ok=True):
        lab = {"name": "lab", "definition": {"dependencies": ["python=3.11", "numpy=2", "ipykernel", "pip"]}}
        outcome = converge(playbook="molecule/jupyter/environments.yml", conda_envs_environments=[lab, *items])
        assert outcome.ok == ok, outcome.message
        return outcome

    yield make
    make({"name": "stats", "state": "absent"})


@pytest.fixture(scope="module")
def stats(host, environments):
    environments(STATS)
    folder = f"{ENVIRONMENT}/etc/conda/activate.d"
    host.check_output("mkdir -p %s && printf %%s %s > %s/x.sh", folder, SCRIPT, folder)
    return "stats"


@pytest.mark.usefixtures("stats")
class TestActivation:
    def test_python_has_the_variables_and_the_scripts_of_its_environment(self, host, lab_of_alice):
        names = ("LAB_GREETING", "FROM_SCRIPT", "CONDA_DEFAULT_ENV", "CONDA_PREFIX")
        shown = lab_of_alice.execute(
            "stats", f"import os, shutil; print([os.environ[name] for name in {names}], shutil.which('python'))"
        )
        prefix = host.check_output(f"readlink -f {ENVIRONMENT}")
        assert "'good morning', '/here'" in shown and f"'{prefix}'] {prefix}/bin/python" in shown

    def test_so_has_a_kernel_of_another_language_that_a_package_brings(self, host, lab_of_alice):
        """The package is the test channel's own: it stands for IRkernel, which registers itself in the same way."""
        prefix = host.check_output(f"readlink -f {ENVIRONMENT}")
        shown = lab_of_alice.execute("stats-sh", 'echo "$LAB_GREETING, $FROM_SCRIPT, $CONDA_PREFIX, $(command -v python)"')
        assert shown.strip() == f"good morning, /here, {prefix}, {prefix}/bin/python"
        spec = lab_of_alice.get("/api/kernelspecs")["kernelspecs"]["stats-sh"]["spec"]
        assert (spec["display_name"], spec["language"]) == ("Statistics (Shell)", "sh")

    @pytest.mark.one_release
    def test_what_lies_beside_a_notebook_is_not_run_in_its_place(self, host, lab_of_alice):
        planted = [f"/home/alice/planted/{name}.py" for name in ("ipykernel", "ipykernel_launcher", "sh_kernel", "runpy")]
        host.check_output(
            "su alice -c %s", f"mkdir -p ~/planted; for file in {' '.join(planted)}; do echo 'raise SystemExit(1)' > $file; done"
        )
        try:
            for kernel in ("stats", "stats-sh"):
                with lab_of_alice.notebook(kernel, "planted/a.ipynb") as identity:
                    assert lab_of_alice.run(identity, "1").strip() in ("1", "sh: 1: 1: not found"), kernel
        finally:
            host.check_output("rm -r /home/alice/planted")

    @pytest.mark.one_release
    def test_somebodys_own_settings_of_conda_do_not_count(self, host, lab_of_alice):
        host.check_output("su alice -c %s", "printf 'channels: [' > ~/.condarc")
        try:
            assert host.run("su alice -c '/opt/miniconda3/bin/conda shell.posix activate base'").rc != 0, "they break conda"
            assert lab_of_alice.execute("stats", "import os; print(os.environ['LAB_GREETING'])") == "good morning\n"
        finally:
            host.check_output("rm /home/alice/.condarc")


@pytest.mark.one_release
@pytest.mark.usefixtures("stats")
class TestChange:
    def test_a_running_notebook_keeps_its_generation_and_is_told_once(self, host, lab_of_alice, environments):
        where = "import sys; print(sys.prefix)"
        before = host.check_output(f"readlink -f {ENVIRONMENT}")
        with lab_of_alice.kernel("stats") as running, lab_of_alice.kernel("stats-sh") as other:
            assert lab_of_alice.run(running, where) == f"{before}\n"
            assert lab_of_alice.run(other, "echo $CONDA_PREFIX") == f"{before}\n"
            changed = {**STATS["definition"], "dependencies": [*STATS["definition"]["dependencies"], "alpha"]}
            made = environments({**STATS, "definition": changed})
            assert made.changed == 1, "the kernels stay as they are"
            after = host.check_output(f"readlink -f {ENVIRONMENT}")
            assert after != before
            told = "The environment stats has changed. This kernel keeps the packages it was started with; "
            told += "restart it for the new ones."
            assert lab_of_alice.run(running, where) == f"{told}\n{before}\n"
            assert lab_of_alice.run(running, where) == f"{before}\n"
            assert lab_of_alice.run(other, "echo $CONDA_PREFIX") == f"{before}\n"
            assert lab_of_alice.execute("stats", where) == f"{after}\n"

    def test_it_goes_with_its_environment_and_others_stay(self, host, lab_of_alice, environments):
        theirs = json.dumps({"argv": ["x"], "display_name": "Theirs", "language": "python"})
        host.check_output("mkdir %s/theirs && printf %%s %s > %s/theirs/kernel.json", KERNELS, theirs, KERNELS)
        try:
            environments(STATS)
            with lab_of_alice.kernel("stats") as running:
                gone = environments({"name": "stats", "state": "absent"})
                assert gone.results[-1]["removed"] == ["stats", "stats-sh"]
                assert lab_of_alice.kernels() == ["lab", "theirs"]
                assert "The environment stats has been removed." in lab_of_alice.run(running, "1")
        finally:
            host.check_output(f"rm -r {KERNELS}/theirs")
