# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people work with, used as they use it: git without outputs, jobs that go on after the logout, the message of the day."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from people.jupyter_api import Jupyter, wait_until_answers
from people.ssh_tunnel import Login, tunnel
from waiting import wait_until

EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
FILTER = "research-server-nbstripout"
KEYS = {
    *(f"filter.{FILTER}.{key}" for key in ("process", "clean", "smudge", "required")),
    *(f"filter.nbstripout.{key}" for key in ("clean", "smudge", "required")),
    "diff.ipynb.textconv",
}
OFF = "*.ipynb !filter !diff"
# How VS Code calls git: no terminal, no shell that somebody logged in to, and variables of its own.
VSCODE = (
    "env -i HOME=$HOME PATH=/usr/bin:/bin LC_ALL=en_US.UTF-8 GIT_PAGER=cat VSCODE_GIT_COMMAND=add GIT_ASKPASS=/bin/false "
    "GIT_OPTIONAL_LOCKS=0"
)
IDENTITY = "git config --global user.name x; git config --global user.email x@x"


def notebook(number=1):
    output = {"output_type": "stream", "name": "stdout", "text": ["secret\n"]}
    cell = {
        "cell_type": "code",
        "execution_count": 7,
        "id": "a1",
        "metadata": {},
        "outputs": [output],
        "source": [f"print({number})"],
    }
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


class User:
    """Somebody's account, over SSH."""

    def __init__(self, host, name):
        self.host, self.name = host, name

    @property
    def login(self):
        # Read each time: a reboot may have given the server another address.
        address = json.loads((EPHEMERAL / "ssh" / "addresses.json").read_text())[self.host.backend.get_hostname()]
        return Login(address, self.name, EPHEMERAL / "ssh" / "id_ed25519", EPHEMERAL / "ssh" / "known_hosts")

    def run(self, command):
        return self.login.run(command, 600)

    def check(self, command):
        done = self.run(command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.rstrip("\n")

    def refused(self, command):
        done = self.run(command)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def at_a_terminal(self, typed):
        """What a person sees who logs in and types a line."""
        command = [*self.login.command("-tt"), self.login.host]
        return subprocess.run(command, input=f"{typed}; exit\n", capture_output=True, text=True, timeout=60, check=False).stdout

    def put(self, path, text):
        self.check(f"printf %s {shlex.quote(text)} > {path}")


def differences(outcome):
    """What a run shows with --diff."""
    parts = [part for result in outcome.results for part in result.get("diff", []) if isinstance(part, dict)]
    return "".join(f"{part.get('before_header', '')}\n{part.get('before', '')}{part.get('after', '')}" for part in parts)


@pytest.fixture
def alice(host):
    return User(host, "alice")


@pytest.fixture
def bob(host):
    return User(host, "bob")


@pytest.fixture
def carol(host):
    return User(host, "carol")


@pytest.fixture(scope="module")
def jupyterlab(host):
    """alice's, through her tunnel."""
    port = int(json.loads(host.file("/etc/lab-jupyter.json").content_string)["ports"]["alice"])
    with tunnel(User(host, "alice").login, port) as local:
        jupyter = Jupyter(f"http://127.0.0.1:{local}", host.file("/var/lib/jupyter/alice/token").content_string.strip())
        wait_until_answers(jupyter)
        yield jupyter


@pytest.fixture
def repository(alice):
    """A repository of alice's with a notebook that has an output."""
    alice.check("rm -rf ~/work ~/.gitconfig ~/.config/git && git init -q -b main ~/work")
    alice.put("~/work/x.ipynb", notebook())
    yield "~/work"
    alice.check("rm -rf ~/work ~/.gitconfig ~/.config/git")


@pytest.fixture
def restored(converge):
    yield
    assert converge().ok


def test_what_people_are_told_to_use_is_there(alice):
    for program in ("git", "tmux", "rsync", "htop", "nano", "vim", "lab-run", "lab-jupyter"):
        assert alice.run(f"command -v {program}").returncode == 0, program


@pytest.mark.one_release
def test_packages_are_data_and_those_for_a_gpu_go_where_one_is(host, converge):
    host.check_output(
        "mkdir -p /srv/gpu/bus/pci/devices/0000:01:00.0; cd /srv/gpu/bus/pci/devices/0000:01:00.0; "
        "echo 0x10de > vendor; echo 0x030200 > class"
    )
    said = {"workbench_packages": ["git", "acl"], "workbench_gpu_packages": ["bzip2", "no-such-package"]}
    with_gpu = {**said, "workbench_sysfs_root": "/srv/gpu"}
    checked = converge("--check", "--diff", **with_gpu)
    assert checked.ok and checked.changed == 1 and "acl = installed\nbzip2 = installed" in differences(checked)
    assert "bzip2" not in differences(converge("--check", "--diff", **said))
    assert host.run("dpkg -s acl bzip2").rc != 0, "nothing of this was done"
    done = converge(**with_gpu)
    assert done.ok and host.run("setfacl --version && bzip2 --help").rc == 0
    again = converge(**with_gpu)
    assert again.changed == 0 and "found no no-such-package in the package lists" in again.text


class TestGit:
    @pytest.mark.parametrize("way", ["ssh", "jupyterlab", "vscode"])
    def test_outputs_stay_out_whichever_way_git_is_called(self, alice, jupyterlab, repository, way):
        if way == "jupyterlab":
            assert "fatal" not in jupyterlab.shell(f"cd {repository} && git add x.ipynb")
        else:
            alice.check(f"cd {repository} && {VSCODE if way == 'vscode' else ''} git add -A -- x.ipynb")
        staged = json.loads(alice.check(f"cd {repository} && git show :x.ipynb"))
        assert staged["cells"][0]["outputs"] == [] and staged["cells"][0]["source"] == ["print(1)"]
        assert "secret" in alice.check(f"cat {repository}/x.ipynb"), "the person's file keeps them"
        assert alice.check(f"cd {repository} && git status --short") == "A  x.ipynb", "git sees nothing left to do"

    @pytest.mark.parametrize("place", [".git/info/attributes", ".gitattributes", "~/.config/git/attributes"])
    def test_one_line_switches_it_off(self, alice, repository, place):
        alice.check(f"mkdir -p ~/.config/git; cd {repository} && echo '{OFF}' >> {place} && git add x.ipynb")
        assert alice.check(f"cd {repository} && git show :x.ipynb") == notebook()

    def test_whoever_has_nbstripout_already_keeps_theirs(self, alice, repository):
        alice.check("mkdir -p ~/.config/git && echo '*.ipynb filter=nbstripout' > ~/.config/git/attributes")
        alice.check("git config --global filter.nbstripout.clean 'sed s/secret/mine/'")
        alice.check(f"cd {repository} && git add x.ipynb")
        assert alice.check(f"cd {repository} && git show :x.ipynb") == notebook().replace("secret", "mine")

    def test_attributes_of_ones_own_do_not_hide_it(self, alice, repository):
        alice.check("echo '*.csv binary' > ~/attributes; git config --global core.attributesFile '~/attributes'")
        alice.check(f"cd {repository} && git add x.ipynb")
        assert "secret" not in alice.check(f"cd {repository} && git show :x.ipynb; git check-attr binary x.csv")
        alice.check("rm ~/attributes")

    def test_a_repository_that_asks_for_nbstripout_is_served(self, alice, repository):
        alice.check(f"cd {repository} && echo '*.ipynb filter=nbstripout' > .gitattributes && git add .")
        assert "secret" not in alice.check(f"cd {repository} && git show :x.ipynb")

    def test_settings_of_nbstripout_count(self, alice, repository):
        alice.check("git config --global filter.nbstripout.extrakeys metadata.mine")
        alice.put(
            "~/work/x.ipynb",
            notebook().replace('"metadata": {},\n "nbformat"', '"metadata": {"mine": 1, "yours": 2},\n "nbformat"'),
        )
        alice.check(f"cd {repository} && git add x.ipynb")
        assert json.loads(alice.check(f"cd {repository} && git show :x.ipynb"))["metadata"] == {"yours": 2}

    def test_a_broken_notebook_is_not_lost(self, alice, repository):
        broken = notebook()[:100]
        alice.put("~/work/broken.ipynb", broken)
        assert "broken.ipynb: found no notebook" in alice.refused(f"cd {repository} && git add broken.ipynb")
        assert alice.check(f"cat {repository}/broken.ipynb") == broken
        alice.check(f"cd {repository} && git add x.ipynb && git diff && {IDENTITY} && git commit -qm x && git status")

    def test_commits_from_before_are_compared_without_outputs(self, alice, repository):
        alice.check(f"cd {repository} && {IDENTITY}; echo '{OFF}' > .git/info/attributes && git add . && git commit -qm 1")
        alice.put("~/work/x.ipynb", notebook(2))
        alice.check(f"cd {repository} && git commit -qam 2 && rm .git/info/attributes")
        assert alice.check(f"cd {repository} && touch x.ipynb && git status --short") == " M x.ipynb", (
            "until it is committed anew"
        )
        shown = alice.check(f"cd {repository} && git diff HEAD~1 HEAD")
        assert "secret" not in shown and "print(2)" in shown

    def test_many_notebooks_cost_one_start(self, alice, repository):
        """nbstripout's own filter is started for each."""
        alice.check(f"cd {repository} && for i in $(seq 5); do cp x.ipynb $i.ipynb; done")
        trace = alice.check(f"cd {repository} && GIT_TRACE=1 git add . 2>&1 | grep -c 'run_command.*{FILTER}'")
        assert trace == "1"


class TestGitOfTheLab:
    def test_what_the_lab_has_set_itself_stays(self, host, converge, restored):
        assert host.check_output("git config --system user.useConfigOnly") == "true"
        assert host.file("/etc/gitattributes").content_string.endswith("*.pdf binary\n")
        host.check_output("git config --system user.name Lab && git config --system --add include.path /etc/lab-gitconfig")
        assert converge().changed == 0
        assert host.check_output("git config --system user.name; head -n 1 /etc/gitconfig") == "Lab\n# the lab"
        host.check_output("git config --system --remove-section user; git config --system --remove-section include")
        host.check_output("git config --system user.useConfigOnly true")

    @pytest.mark.one_release
    def test_one_variable_switches_it_off_for_all(self, host, alice, converge, restored, repository):
        checked = converge("--check", "--diff", workbench_nbstripout=False)
        assert checked.changed == 2
        done = converge(workbench_nbstripout=False)
        assert done.ok and done.changed == 2
        assert not KEYS.intersection(host.check_output("git config --system --list --name-only").split())
        assert host.file("/etc/gitattributes").content_string == "*.pdf binary\n"
        assert not host.file("/opt/miniconda3/envs/nbstripout").exists and not host.file(f"/usr/local/bin/{FILTER}").exists
        alice.check(f"cd {repository} && git add .")
        assert alice.check(f"cd {repository} && git show :x.ipynb") == notebook()
        assert converge(workbench_nbstripout=False).changed == 0

    def test_a_file_that_git_cannot_read_is_named(self, host, converge):
        kept = host.file("/etc/gitconfig").content_string
        host.check_output("echo '[broken' >> /etc/gitconfig")
        try:
            failed = converge()
            assert not failed.ok and "bad config line" in failed.message and "/etc/gitconfig" in failed.message
        finally:
            host.check_output("printf %%s %s > /etc/gitconfig", kept)


# What somebody does, and a word of what is told of it.
FAULTS = {
    "mv /usr/local/bin/lab-run /srv; ln -s /srv/lab-run /usr/local/bin/lab-run": "no file",
    f"echo exit >> /usr/local/bin/{FILTER}": f"/usr/local/bin/{FILTER}",
    f"chmod 0777 /usr/local/bin/{FILTER}": "mode 0777",
    f"git config --system filter.{FILTER}.process cat": f"{FILTER}.process = cat",
    "git config --system --add filter.nbstripout.required false": "true, false",
    "chmod 0600 /etc/gitconfig": "mode 0600",
    "echo '*.pdf binary' > /etc/gitattributes": f"*.ipynb filter={FILTER}",
    "rm /etc/motd.d/research-server": "/etc/motd.d/research-server",
    "sed -i s/Processes=no/Processes=yes/ /etc/systemd/logind.conf.d/50-research-server.conf": "KillUserProcesses=yes",
    "loginctl disable-linger bob": "bob = on",
    "echo [] > /etc/research-server/linger.json": "linger.json",
    "apt-get remove -qy htop": "htop = installed",
}


def test_what_somebody_has_changed_is_told_and_undone(host, converge):
    for fault in FAULTS:
        host.check_output(fault)
    checked = converge("--check", "--diff")
    assert checked.ok and checked.changed == 1
    said = differences(checked)
    assert [word for word in FAULTS.values() if word not in said] == []
    assert converge().ok and converge().changed == 0
    assert not host.file("/usr/local/bin/lab-run").is_symlink


class TestLingering:
    def test_researchers_have_it_and_others_do_not(self, host):
        assert sorted(host.check_output("ls /var/lib/systemd/linger").split()) == ["alice", "bob"]

    def test_who_is_taken_off_the_list_loses_it_and_who_has_it_by_hand_keeps_it(self, host, converge, restored):
        host.check_output("loginctl enable-linger ops")
        done = converge(workbench_linger=["alice"])
        assert done.ok and done.changed == 1
        assert sorted(host.check_output("ls /var/lib/systemd/linger").split()) == ["alice", "ops"]
        assert converge(workbench_linger=["alice"]).changed == 0
        host.check_output("loginctl disable-linger ops")

    @pytest.mark.one_release
    def test_a_name_without_an_account_is_told_and_the_others_served(self, host, converge):
        host.check_output("loginctl disable-linger bob")
        failed = converge(workbench_linger=["alice", "bob", "nobody-knows", "games"])
        assert not failed.ok and "workbench_linger: nobody-knows: found no account on this host" in failed.message
        assert "games: found the uid 5" in failed.message
        assert host.file("/var/lib/systemd/linger/bob").exists
        assert converge().changed == 0


def forget(user):
    user.run("for log in ~/lab-run/*.log; do name=$(basename $log .log); lab-run stop $name; done; rm -rf ~/lab-run")


@pytest.fixture
def jobs(alice):
    """alice's jobs by name, as lab-run lists them."""
    forget(alice)

    def read():
        return {line.split()[0]: line for line in alice.check("lab-run").splitlines()[1:]}

    yield read
    forget(alice)


def nobody_is_logged_in(host, name):
    """Also not with a session that is about to end because its processes are still there."""
    wait_until(lambda: host.run(f"ps -u {name} -o comm= | grep -q sshd").rc == 1, 30)


class TestLongJobs:
    def test_tmux_goes_on_after_the_logout(self, host, carol):
        """carol has no lingering."""
        manager = "org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager"
        told = host.check_output(f"busctl get-property {manager} KillUserProcesses RemoveIPC")
        assert told.splitlines() == ["b false", "b false"], "nor does it lose its shared memory"
        carol.check("tmux new-session -d -s work 'echo $$ > ~/pid; exec sleep 100000'")
        nobody_is_logged_in(host, "carol")
        wait_until(
            lambda: (
                host.run("loginctl show-user carol -p Sessions --value").stdout.strip() == ""
                or "closing" in host.run("loginctl show-user carol -p State").stdout
            ),
            30,
        )
        pid = carol.check("cat ~/pid")
        assert host.process.get(pid=int(pid)).comm == "sleep"
        assert carol.check("tmux list-sessions -F '#{session_name}'") == "work"
        carol.check("tmux kill-server")

    def test_a_job_goes_on_after_the_logout_and_its_end_is_told(self, host, bob):
        forget(bob)
        said = bob.check("lab-run --name wait -- sh -c 'echo begun; while [ ! -e ~/go ]; do sleep 0.1; done; echo finished'")
        assert "tail -f /home/bob/lab-run/wait.log" in said
        nobody_is_logged_in(host, "bob")
        assert "runs since" in bob.check("lab-run")
        bob.check("touch ~/go")
        wait_until(lambda: "done after" in bob.check("lab-run"), 30)
        log = bob.check("rm ~/go; cat ~/lab-run/wait.log").splitlines()
        assert log[:2] == ["begun", "finished"] and log[2].startswith("lab-run: done after")

    def test_it_runs_where_and_as_it_was_asked_for(self, host, alice, jobs):
        words = ["$HOME", "${USER} %h %%", 'a "b" \\ c', "", "line\nline", "实验"]
        variables = "os.environ.get('MINE'), os.environ.get('SSH_CONNECTION')"
        command = f"import json, os, sys; print(json.dumps([sys.argv[1:], os.getcwd(), {variables}]))"
        arguments = " ".join(map(shlex.quote, [command, *words]))
        alice.check(f"mkdir -p '/tmp/a b' && cd '/tmp/a b' && MINE='x y $z' lab-run --name words -- python3 -c {arguments}")
        wait_until(lambda: "done after" in jobs()["words"], 30)
        assert json.loads(alice.check("head -n 1 ~/lab-run/words.log")) == [words, "/tmp/a b", "x y $z", None]

    def test_an_activated_environment_is_the_jobs_too(self, alice, jobs):
        alice.check("bash -lc 'conda activate jupyter && lab-run --name env -- python -c \"import sys; print(sys.prefix)\"'")
        wait_until(lambda: "done after" in jobs()["env"], 30)
        assert "/envs/" in alice.check("head -n 1 ~/lab-run/env.log") and "jupyter" in alice.check("head -n 1 ~/lab-run/env.log")

    def test_it_is_below_the_limits_of_its_person(self, host, alice, jobs):
        alice.check("lab-run --name place -- sleep 1000")
        uid = alice.check("id -u")
        group = alice.check("cat /proc/$(pgrep -u alice -x sleep)/cgroup").split(":")[-1]
        assert f"/user.slice/user-{uid}.slice/user@{uid}.service/" in group and group.endswith("/lab-run-place.service")

    def test_how_it_ended_is_known(self, alice, jobs):
        alice.check("lab-run --name fails -- sh -c 'echo why; exit 3'; lab-run --name long -- sleep 1000; lab-run stop long")
        wait_until(lambda: "failed: status 3" in jobs()["fails"] and "stopped after" in jobs()["long"], 30)
        assert "found no job 'long' that runs" in alice.refused("lab-run stop long")
        assert "found a job 'fails' already" in alice.refused("lab-run --name fails -- true")
        assert "found no program 'no-such'" in alice.refused("lab-run -- no-such")
        alice.check("rm ~/lab-run/fails.log")
        assert "fails" not in jobs()

    def test_its_end_is_told_by_mail(self, host, alice, jobs):
        host.run("rm -f /var/mail/alice")
        alice.check("lab-run --name letter --mail -- sh -c 'echo the last words'")
        wait_until(
            lambda: host.file("/var/mail/alice").exists and "the last words" in host.file("/var/mail/alice").content_string, 60
        )
        letter = host.file("/var/mail/alice").content_string
        assert re.search(r"^Subject: letter on .*: done after 0:00:0", letter, re.MULTILINE) and "lab-run/letter.log" in letter

    def test_without_sendmail_a_letter_is_refused_before_the_work(self, host, alice, jobs):
        link = host.check_output("readlink -f /usr/sbin/sendmail")
        host.check_output(f"mv {link} {link}.away")
        try:
            assert "found no /usr/sbin/sendmail" in alice.refused("lab-run --mail -- true") and jobs() == {}
        finally:
            host.check_output(f"mv {link}.away {link}")

    def test_without_lingering_it_says_whom_to_ask(self, carol):
        said = carol.refused("lab-run -- sleep 10")
        assert "found no lingering for carol" in said and "ask an administrator" in said
        assert carol.run("ls ~/lab-run").returncode != 0

    def test_a_terminal_of_jupyterlab_says_where_it_works(self, jupyterlab, jobs):
        shown = jupyterlab.shell("lab-run -- sleep 10").replace("\r\n", "")
        assert "expected an SSH login" in re.sub(r"\s+", " ", shown)
        assert jobs() == {}

    def test_after_a_reboot_it_is_told_what_was_cut_off(self, host, alice, jobs, reboot):
        alice.check("lab-run --name lost -- sleep 100000")
        host.check_output("systemctl kill -s KILL user@$(id -u alice).service")
        reboot()
        wait_until(lambda: alice.run("true").returncode == 0, 60)
        assert "cut off" in jobs()["lost"]
        uid = alice.check("id -u")
        assert host.service(f"user@{uid}").is_running, "it lingers from the start"


class TestMessage:
    LINES = ("JupyterLab in your browser: lab-jupyter", "Long jobs that go on after the logout: lab-run")

    def test_a_login_at_a_terminal_sees_two_lines(self, alice):
        seen = alice.at_a_terminal("true")
        assert all(line in seen for line in self.LINES)

    def test_a_command_over_ssh_says_nothing_of_its_own(self, alice):
        done = alice.run("echo data")
        assert (done.stdout, done.stderr) == ("data\n", "")

    @pytest.mark.one_release
    def test_a_lab_says_something_else_or_nothing(self, host, alice, converge, restored):
        assert converge(workbench_motd=["Quota: 50 GB"]).ok
        assert "Quota: 50 GB" in alice.at_a_terminal("true") and self.LINES[0] not in alice.at_a_terminal("true")
        assert converge(workbench_motd=[]).ok and not host.file("/etc/motd.d/research-server").exists
