# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""conda in every kind of shell: the table of the role's README, each cell with a real sshd, tmux, cron and systemd.

VS Code's terminal and JupyterLab's, as those programs start them, are in the scenario colleague.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import time
from pathlib import Path

import pytest
from people.ssh_tunnel import Login
from waiting import wait_until

PREFIX = "/opt/miniconda3"
FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ssh")
PEOPLE = {"bash": "ada", "zsh": "zoe", "fish": "finn"}
RUN = "conda run -n demo python job.py"
ACTIVATE = "conda activate demo && python job.py"
# In sh and bash, which read no file here.
SOURCE = f". /etc/profile.d/conda.sh && {ACTIVATE}"
SAID = f"{PREFIX}/envs/demo demo"
CRON_PATH = "PATH=/usr/local/bin:/usr/bin:/bin"


class Person:
    """Somebody with a shell of their own."""

    def __init__(self, host, shell):
        self.host, self.shell, self.name = host, shell, PEOPLE[shell]
        self.home = f"/home/{self.name}"
        address = json.loads((FOLDER / "addresses.json").read_text())[host.backend.get_hostname()]
        self.login = Login(address, self.name, FOLDER / self.name, FOLDER / "known_hosts", port=22)

    def ssh(self, command):
        done = self.login.run(command)
        return done.returncode, done.stdout.strip(), done.stderr.strip()

    def logged_in(self, command):
        """A login shell, from the console and not over SSH."""
        return self.host.run("su - %s -c %s", self.name, command)

    def typed(self, command):
        """An interactive shell that is no login shell, on a terminal, as a desktop or an editor starts it."""
        inner = f"exec {self.shell} -i -c {shlex.quote(command)}"
        return self.host.run(
            "cd %s && su %s -s /bin/sh -c %s", self.home, self.name, f"TERM=xterm script -qec {shlex.quote(inner)} /dev/null"
        )

    def put(self, path, text):
        self.host.check_output(
            "su %s -s /bin/sh -c %s", self.name, f'cd && mkdir -p "$(dirname {path})" && printf %s {shlex.quote(text)} > {path}'
        )

    def manager(self, command):
        """What the person's own systemd is asked."""
        uid = self.host.check_output(f"id -u {self.name}")
        return self.host.run("su %s -s /bin/sh -c %s", self.name, f"cd; XDG_RUNTIME_DIR=/run/user/{uid} {command}")


@pytest.fixture(params=PEOPLE)
def person(host, demo, request):
    return Person(host, request.param)


@pytest.fixture
def ada(host, demo):
    return Person(host, "bash")


@pytest.fixture(scope="module")
def demo(host):
    """An environment of the lab, and in each home a program that tells where it runs."""
    host.check_output(f"[ -d {PREFIX}/envs/demo ] || CONDA_PKGS_DIRS=/root/pkgs {PREFIX}/bin/conda create -y -q -n demo python")
    for shell in PEOPLE:
        Person(host, shell).put("job.py", "import os, sys; print(sys.prefix, os.environ['CONDA_DEFAULT_ENV'])\n")


def last_line(text):
    return text.strip().replace("\r", "").rpartition("\n")[2]


@pytest.fixture(scope="module")
def crontabs(host, demo):
    """Of everybody at once: cron looks once a minute. By shell and command, the file that the job writes."""
    jobs = {
        "bash": {"run": RUN, "source": SOURCE},
        "zsh": {"run": RUN, "activate": ACTIVATE},
        "fish": {"run": RUN, "activate": ACTIVATE},
    }
    host.check_output("systemctl start cron")
    for shell, commands in jobs.items():
        lines = [CRON_PATH, f"SHELL={host.check_output(f'command -v {shell}')}"]
        lines += [f"* * * * * {command} > cron.{name} 2>&1" for name, command in commands.items()]
        # And as crontabs come, without a line on top: the program's own path, and sh.
        lines += ["SHELL=/bin/sh", "PATH=/usr/bin:/bin", f"* * * * * /usr/local/bin/{RUN} > cron.plain 2>&1"]
        host.check_output("printf '%%s\\n' %s | crontab -u %s -", "\n".join(lines), PEOPLE[shell])
    yield {shell: [*commands, "plain"] for shell, commands in jobs.items()}
    for name in PEOPLE.values():
        host.check_output(f"crontab -u {name} -r")


class TestEachCell:
    @pytest.mark.parametrize("command", [RUN, ACTIVATE], ids=["run", "activate"])
    def test_a_login_shell(self, person, command):
        found = person.logged_in(command)
        assert last_line(found.stdout) == SAID, found

    @pytest.mark.parametrize("command", [RUN, ACTIVATE], ids=["run", "activate"])
    def test_an_interactive_shell_that_is_no_login_shell(self, person, command):
        assert last_line(person.typed(command).stdout) == SAID

    @pytest.mark.parametrize("command", [RUN, ACTIVATE], ids=["run", "activate"])
    def test_a_command_over_ssh(self, person, command):
        assert person.ssh(command) == (0, SAID, "")

    def test_tmux(self, person):
        person.host.check_output(f"rm -f {person.home}/tmux.out")
        person.ssh("tmux kill-server")
        try:
            code, _out, error = person.ssh("tmux new-session -d -x 200")
            assert code == 0, error
            person.ssh(f"tmux send-keys {shlex.quote(f'{ACTIVATE} > tmux.out 2>&1')} Enter")
            out = person.host.file(f"{person.home}/tmux.out")
            wait_until(lambda: out.exists and last_line(out.content_string) == SAID)
        finally:
            person.ssh("tmux kill-server")

    def test_cron(self, person, crontabs):
        for name in crontabs[person.shell]:
            out = person.host.file(f"{person.home}/cron.{name}")
            wait_until(lambda out=out: out.exists and last_line(out.content_string) == SAID, seconds=100)

    def test_a_unit_of_the_person_s_systemd(self, person):
        unit = f"[Service]\nType=oneshot\nWorkingDirectory=%h\nExecStart={RUN}\nStandardOutput=truncate:%h/unit.out\n"
        person.put(".config/systemd/user/job.service", unit)
        done = person.manager("systemctl --user daemon-reload && systemctl --user start job")
        assert done.rc == 0, done.stderr
        assert last_line(person.host.file(f"{person.home}/unit.out").content_string) == SAID

    def test_systemd_run(self, person):
        done = person.manager(f"systemd-run --user --quiet --pipe --wait --collect --working-directory={person.home} {RUN}")
        assert last_line(done.stdout) == SAID, done.stderr
        command = SOURCE if person.shell == "bash" else ACTIVATE
        start = f"systemd-run --user --quiet --pipe --wait --collect --working-directory={person.home} {person.shell} -c"
        assert last_line(person.manager(f"{start} {shlex.quote(command)}").stdout) == SAID


@pytest.mark.one_release
class TestPeoplesOwn:
    def test_nobody_s_files_are_edited(self, host, demo):
        assert host.check_output("cmp /home/ada/.bashrc /etc/skel/.bashrc && cmp /home/ada/.profile /etc/skel/.profile") == ""
        assert host.check_output("grep -rl conda /home/*/.zsh* /home/*/.config/fish || true") == ""

    @pytest.fixture
    def own(self, person):
        """A conda of the person's own, which says so."""
        person.put("own/bin/conda", '#!/bin/sh\necho own program "$@"\n')
        person.host.check_output(f"chmod 755 {person.home}/own/bin/conda; cp -a /home/{person.name} /root/before")
        yield f"{person.home}/own"
        person.host.check_output(f"rm -rf /home/{person.name} && mv /root/before /home/{person.name}")

    def test_first_on_the_path(self, person, own):
        files = {
            "bash": (".bashrc", f"PATH={own}/bin:$PATH\n"),
            "zsh": (".zshrc", f"path=({own}/bin $path)\n"),
            "fish": (".config/fish/config.fish", f"set -gx PATH {own}/bin $PATH\n"),
        }
        person.put(*files[person.shell])
        assert last_line(person.typed("conda activate demo").stdout) == "own program activate demo"

    def test_by_conda_init(self, person, own):
        posix = f'export CONDA_EXE={own}/bin/conda\nconda() {{ echo own function "$@"; }}\n'
        fish = f"set -gx CONDA_EXE {own}/bin/conda\nfunction conda; echo own function $argv; end\n"
        files = {"bash": (".bashrc", posix), "zsh": (".zshrc", posix), "fish": (".config/fish/config.fish", fish)}
        person.put(*files[person.shell])
        assert last_line(person.typed("conda activate demo").stdout) == "own function activate demo"

    def test_a_broken_file_of_theirs_is_their_own(self, host, ada):
        """It troubles neither root nor anybody else."""
        ada.put("own/bin/conda", "#!/bin/sh\necho evil\n")
        assert "evil" not in host.check_output("cd /home/ada && bash -ic 'conda --version' 2>/dev/null; su -c 'conda --version'")


@pytest.mark.one_release
class TestQuietAndCheap:
    def test_nothing_is_said_where_nothing_was_asked(self, person):
        """Or scp and rsync would take it for their protocol."""
        assert person.ssh("true") == (0, "", "")

    def test_a_script_gets_one_clear_word(self, ada):
        done = ada.host.run("su ada -s /bin/bash -c 'conda activate demo'")
        assert done.rc == 1
        assert all(word in done.stderr for word in ("conda run -n NAME", ". /etc/profile.d/conda.sh"))
        assert "conda init" not in done.stderr

    def test_a_script_of_root_s_has_nothing_more(self, host):
        assert host.check_output("bash -c 'declare -F; env | grep ^CONDA || true'") == ""

    def test_what_it_costs(self, host, capsys):
        """Told and not judged."""

        def milliseconds(command):
            def once():
                begin = time.monotonic()
                host.check_output(f"for i in $(seq 100); do {command}; done")
                return (time.monotonic() - begin) * 10

            return statistics.median(once() for _ in range(3))

        with_it = milliseconds("bash --norc -c '. /etc/profile.d/conda.sh'")
        without = milliseconds("bash --norc -c :")
        with capsys.disabled():
            print(f"\nthe profile costs a shell {with_it - without:.2f} ms ({without:.2f} without, {with_it:.2f} with it)")

    def test_the_package_is_installed_again_without_a_question(self, host):
        before = host.check_output("md5sum /etc/bash.bashrc")
        again = "DEBIAN_FRONTEND=noninteractive apt-get install -qy --reinstall bash </dev/null"
        assert host.run(again).rc == 0
        assert host.check_output("md5sum /etc/bash.bashrc") == before


@pytest.mark.one_release
def test_another_prefix_leaves_nothing_of_the_old_one(host, converge):
    """In check mode: that would be another installation."""
    outcome = converge("--check", "--diff", miniconda_prefix="/srv/conda")
    shown = {part["after_header"]: part["after"] for result in outcome.results for part in result.get("diff", [])}
    for path in ("/etc/profile.d/conda.sh", "/etc/fish/conf.d/conda.fish", "/usr/local/bin/conda"):
        assert "/srv/conda" in shown[path] and PREFIX not in shown[path], path
