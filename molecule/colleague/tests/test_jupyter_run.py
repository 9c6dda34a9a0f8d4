# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One person cannot stop the run: whatever bob does to his JupyterLab or ada's port, carol is served, and he is named."""

from __future__ import annotations

import time

import pytest

pytestmark = pytest.mark.one_release
TIMEOUT = 60
LOUD = "import sys\nfor number in range(30000):\n    print('\\x1b[2J' + 'x' * 100)\nsys.exit(3)\n"

# What bob does; how it is undone; what the run says of him.
FAULTS = {
    "a configuration that crashes and writes megabytes": (LOUD, "", "\\x1b[2Jxxx"),
    "no room for the token": (
        "mount -t tmpfs -o size=4k none /var/lib/jupyter/bob && head -c 4096 /dev/zero > /var/lib/jupyter/bob/full",
        "umount /var/lib/jupyter/bob",
        "No space left on device",
    ),
}


def configure(host, text):
    folder = "/home/bob/.jupyter"
    host.check_output("install -d -o bob -g bob %s && printf %%s %s > %s/jupyter_server_config.py", folder, text, folder)


def said(done):
    """What a run wrote, as one line."""
    return " ".join(done.stdout.split())


@pytest.fixture
def notebooks(apply_notebooks):
    """Apply what notebooks need; returns the outcome and the seconds that it took."""

    def run(*arguments):
        begin = time.monotonic()
        done = apply_notebooks(*arguments, jupyter_start_timeout=TIMEOUT)
        return done, time.monotonic() - begin

    return run


@pytest.fixture(autouse=True)
def repaired(host, bob):
    """Nobody's JupyterLab is broken after a test, and the journal takes bob's words again (journald.conf(5), RateLimitBurst=)."""
    yield
    bob.stop()
    host.check_output("systemctl restart systemd-journald")
    host.run("rm -rf /home/bob/.jupyter; systemctl stop jupyter@bob.socket jupyter@bob; systemctl reset-failed")
    host.check_output("systemctl start jupyter@ada jupyter@bob jupyter@carol")


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_bob_is_told_and_carol_served(host, notebooks, fault):
    break_it, repair, says = FAULTS[fault]
    host.check_output("systemctl stop jupyter@bob.socket jupyter@bob jupyter@carol.socket jupyter@carol")
    if repair:
        host.check_output(break_it)
    else:
        configure(host, break_it)
    try:
        done, _seconds = notebooks()
        text = said(done)
        assert done.returncode != 0 and "bob: found " in text and says in text, text[-3000:]
        assert "ada: found" not in text and "carol: found" not in text
        assert host.service("jupyter@carol").is_running
        assert len(text) < 30000 and "\x1b" not in done.stdout
    finally:
        host.check_output(f"systemctl stop jupyter@bob.socket jupyter@bob; {repair or 'true'}")


@pytest.mark.thorough
def test_a_server_that_sleeps_costs_time_once(host, notebooks):
    healthy = notebooks()[1]
    configure(host, "import time\ntime.sleep(10**6)\n")
    host.check_output("systemctl stop jupyter@carol.socket jupyter@carol; systemctl --no-block restart jupyter@bob")
    done, _first = notebooks()
    assert done.returncode != 0 and "bob: found activating" in said(done), said(done)[-3000:]
    assert host.service("jupyter@carol").is_running
    host.check_output("systemctl stop jupyter@carol.socket jupyter@carol")
    for arguments in (["--check"], []):
        done, again = notebooks(*arguments)
        assert done.returncode != 0 and "bob: found activating" in said(done), said(done)[-3000:]
        assert again < healthy + TIMEOUT - 20, (healthy, again)
    assert host.service("jupyter@carol").is_running


def test_a_program_on_adas_port_keeps_nobody_else(host, ada, bob, notebooks):
    host.check_output("systemctl stop jupyter@ada.socket jupyter@ada jupyter@carol.socket jupyter@carol")
    bob.listen(ada.port, ["0.0.0.0"])
    pid = host.check_output("pgrep -u bob -f [.]attack.py").split()[0]
    for arguments in (["--check"], []):
        done, _seconds = notebooks(*arguments)
        text = said(done)
        assert f"ada: found 'python3' of bob, process {pid}, listening on 0.0.0.0:{ada.port}" in text, text[-3000:]
        assert done.returncode != 0 and f"end it with 'kill {pid}'" in text and "carol: found" not in text
    assert host.service("jupyter@carol").is_running
    host.check_output(f"kill {pid}")
    assert notebooks()[0].returncode == 0
    assert host.service("jupyter@ada").is_running


def test_where_he_is_not_in_the_way_he_stops_nothing(host, ada, bob, notebooks):
    host.check_output("systemctl stop jupyter@ada.socket jupyter@ada")
    assert set(bob.listen(ada.port, ["::1", "127.0.0.2"])) == {"::1", "127.0.0.2"}
    assert notebooks()[0].returncode == 0
    assert host.service("jupyter@ada").is_running


def test_who_leaves_goes_whatever_is_wrong_with_others(host, notebooks):
    """And root follows no link on the way, and gets it done while the one who leaves still writes there."""
    host.check_output("useradd --create-home dora; install -d -m 0777 /srv/precious; touch /srv/precious/file")
    configure(host, "raise SystemExit(1)\n")
    try:
        # She is in no list any more; a process of hers outlives her server.
        door = "/etc/systemd/system/jupyter@dora.socket.d"
        host.check_output(f"mkdir {door}; printf '[Socket]\\nListenStream=127.0.0.1:29999\\n' > {door}/50-research-server.conf")
        host.check_output("systemctl daemon-reload; systemctl enable jupyter@dora.socket")
        host.check_output("systemctl --no-block restart jupyter@dora jupyter@bob")
        host.check_output("install -d -o dora -g dora -m 0700 /var/lib/jupyter/dora /var/lib/jupyter/dora/a")
        host.check_output("cd /var/lib/jupyter/dora; ln -s /srv/precious link; ln -s /srv/precious a/link")
        writes = "cd /var/lib/jupyter/dora/a; while :; do mkdir -p x/y/z; touch x/y/z/f; ln -sfn /srv/precious x/l; done"
        host.check_output("systemd-run -q --unit=dora --collect -p User=dora sh -c %s", writes)
        done, _seconds = notebooks()
        text = said(done)
        assert done.returncode != 0 and "bob: found" in text and "dora: found" not in text, text[-3000:]
        assert not host.file("/var/lib/jupyter/dora").exists
        assert not host.service("jupyter@dora").is_running
        assert not host.file("/etc/systemd/system/sockets.target.wants/jupyter@dora.socket").exists
        assert host.file("/srv/precious/file").exists
    finally:
        host.run("systemctl stop dora; systemctl disable --now jupyter@dora; rm -rf /var/lib/jupyter/dora /srv/precious")
        host.run("userdel --remove dora")
