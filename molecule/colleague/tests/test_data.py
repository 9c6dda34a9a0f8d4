# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bob writes into his own files is data: it neither paints the operator's terminal, nor keeps the run busy."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from people.person import Person

pytestmark = pytest.mark.one_release
EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
ROOT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
SECRET = "sw0rdf1shSw0rdf1sh0123456789"
# "Clear the screen", green, both ways to turn the direction of writing, no width, C1, back to the line's beginning, no UTF-8.
PAINT = b"\x1b[2J\x1b[1;1H\x1b[32mclean \xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8b\xc2\x9b31m\rverdict: clean\xff"
PAINTED = rb"\x1b[2J\x1b[1;1H\x1b[32mclean \u202e\u2066\u200b\x9b31m"
# The name of a program may have 15 bytes.
PROGRAM = b"\x1b[2J\x1b[32mok\xe2\x80\xae"
SHOWN_PROGRAM = rb"\x1b[2J\x1b[32mok\u202e"
# What people write is looked at where their own files of keys count.
AT_HOME = ("-e", "accounts_keys_in=home")
KEY = [b"-----BEGIN OPENSSH PRIVATE KEY-----", *(b"%064d" % number for number in range(9)), b"-----END OPENSSH PRIVATE KEY-----"]
LINES = [PAINT, b"token=" + SECRET.encode(), b"https://bob:" + SECRET.encode() + b"@conda.example/", *KEY]
WRITE = """
import pathlib
home = pathlib.Path.home()
keys = home / ".ssh" / "authorized_keys"
before = keys.read_bytes()
keys.unlink()  # it is root's
keys.write_bytes(before + {lines!r} + b"://" * 300_000 + b"\\n")
config = home / ".jupyter" / "jupyter_server_config.py"
config.parent.mkdir(exist_ok=True)
config.write_text("import sys; sys.stderr.buffer.write(" + repr({paint!r}) + "); sys.exit(1)")
"""
LISTEN = """
import ctypes, socket, time
ctypes.CDLL(None).prctl(15, ctypes.c_char_p({name!r}), 0, 0, 0)
listener = socket.create_server(("127.0.0.2", {port}))
time.sleep(3600)
"""


@pytest.fixture(scope="module")
def paint(host):
    """bob's files, and all as it was afterwards."""
    bob = Person(host, "bob", EPHEMERAL / "ssh")
    host.check_output("cp -p /home/bob/.ssh/authorized_keys /root/bob.keys")
    # The last lines of a journal are the ones that are told.
    # A file of keys with a byte that is no UTF-8 is not looked into.
    lines = [PAINT.removesuffix(b"\xff"), *LINES[1:]]
    done = bob.python(WRITE.format(lines=b"\n".join([b"", *lines, b""]), paint=b"\n".join([*LINES[1:], PAINT, b""])))
    assert done.returncode == 0, done.stderr
    yield bob
    host.check_output("rm /home/bob/.ssh/authorized_keys; cp -p /root/bob.keys /home/bob/.ssh/authorized_keys")
    host.check_output("rm -f /home/bob/.jupyter/jupyter_server_config.py")
    host.run("systemctl reset-failed jupyter@bob; systemctl restart jupyter@bob")


@pytest.fixture
def operate(host, paint):
    """Do what an operator does, for this server. Returns a function that returns the exit code and all that was printed."""

    def run(*command, seconds=300):
        environment = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"}
        where = ["--inventory", str(EPHEMERAL / "inventory"), "--limit", host.backend.get_hostname()]
        done = subprocess.run([*command, *where], env=environment, capture_output=True, timeout=seconds, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def assert_harmless(output):
    text = output.decode("utf-8")  # strictly: no byte of a file got here as it was
    odd = sorted({sign for sign in text if not sign.isprintable()} - {"\n"})
    assert not odd, [ascii(line) for line in text.split("\n") if any(sign in line for sign in odd)]
    assert SECRET not in text
    assert KEY[4].decode() not in text
    assert not re.search(r"^verdict: clean|^clean ", text, re.MULTILINE)


def test_a_difference_is_shown_and_does_nothing(operate):
    exit_code, output = operate("ansible-playbook", ROOT / "playbooks" / "site.yml", "--check", "--diff", *AT_HOME)
    assert exit_code == 0, output[-2000:]
    assert_harmless(output)
    assert b"-" + PAINTED + rb"\rverdict: clean" in output.splitlines()
    assert b"-token=***" in output.splitlines()


def test_a_drift_run_ends_and_reports_it(host, operate, tmp_path):
    """The line of repeated beginnings of URLs took the controller an hour."""
    report = tmp_path / "drift.json"
    exit_code, output = operate(ROOT / "scripts" / "research-server-drift", "--report", report, *AT_HOME)
    assert exit_code == 2, output[-2000:]
    assert_harmless(output)
    assert b"-" + PAINTED + rb"\rverdict: clean" in [line.strip() for line in output.splitlines()]
    assert_harmless(report.read_bytes())
    told = json.loads(report.read_text())["hosts"][host.backend.get_hostname()]
    assert told["verdict"] == "drift"
    # What `jq -r` prints is harmless as well.
    assert_harmless(json.dumps(told, ensure_ascii=False).replace("\\n", "\n").encode())
    assert any(PAINTED.decode() in (finding["diff"] or "") for finding in told["drift"])


def test_the_doctor_names_a_program_and_does_nothing(host, bob, operate, tmp_path):
    report = tmp_path / "doctor.json"

    def ports():
        told = json.loads(report.read_text())["hosts"][host.backend.get_hostname()]
        return [(finding["severity"], finding["found"]) for finding in told["findings"] if finding["topic"] == "ports"]

    host.check_output("systemctl stop jupyter@bob.socket jupyter@bob; systemctl start jupyter@bob.socket jupyter@ada")
    operate("ansible-playbook", ROOT / "playbooks" / "doctor.yml", "-e", f"doctor_report={report}", "-e", "doctor_full=true")
    assert ports() == [("ok", "no other program listens on the ports of sshd and JupyterLab")], "one is asleep, one awake"
    host.check_output("systemctl stop jupyter@bob.socket jupyter@bob")
    bob.start(LISTEN.format(name=PROGRAM, port=bob.port))
    exit_code, output = operate("ansible-playbook", ROOT / "playbooks" / "doctor.yml", "-e", f"doctor_report={report}")
    assert exit_code == 2, output[-2000:]
    assert_harmless(output)
    assert any(SHOWN_PROGRAM in line and b" listens on " in line for line in output.splitlines())
    assert_harmless(report.read_bytes())


def test_a_journal_is_shown_and_does_nothing(paint, operate):
    """bob's JupyterLab does not start any more, and says why in its own words. The run ends with them."""
    paint.run("pkill -KILL -u bob -f jupyter")
    _exit_code, output = operate("ansible-playbook", ROOT / "playbooks" / "site.yml", "--diff", seconds=600)
    assert_harmless(output)
    assert PAINTED in output
