# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of three servers drifts, is reported, repaired and silent. The tests follow each other, as nights do."""

from __future__ import annotations

import json
import re
import time

import pytest

testinfra_hosts = ["docker://debian12-drift-controller", "docker://debian13-drift-controller"]

STATE, UNIT = "/var/lib/research-server-drift", "research-server-drift"
PASSWORD, TOKEN = "correct-horse-battery-staple", "open-sesame"
OPEN_HOME = "chmod 0777 /home/alice"
# systemd-analyze(1): 10 is exposed to everything. The run needs the network, and programs.
EXPOSURE = {"": 1.5, "-update": 1.5, "-notify@x": 1.0, "-webhook": 1.5, "-mail": 7.0}


def test_it_runs_every_night_and_looks_every_hour(host):
    timers = json.loads(host.check_output(f"systemctl list-timers --output=json '{UNIT}*'"))
    assert {timer["unit"] for timer in timers} == {f"{UNIT}{name}.timer" for name in ("", "-watch", "-mail", "-webhook")}
    for name in ("", "-watch", "-mail", "-webhook"):
        assert host.service(f"{UNIT}{name}.timer").is_enabled
    shown = host.check_output(f"systemctl show {UNIT}.timer {UNIT}.service")
    for line in ("Persistent=yes", "RandomizedDelayUSec=30min", "TimeoutStartUSec=2h", "Nice=19", "IOSchedulingClass=3"):
        assert line in shown.splitlines()


def test_the_units_can_do_little_and_the_account_has_no_rights(host):
    host.check_output(f"systemd-analyze verify $(ls /etc/systemd/system/{UNIT}*)")
    for unit, most in EXPOSURE.items():
        told = host.check_output(f"systemd-analyze security --no-pager {UNIT}{unit}.service | tail -n 1")
        assert float(re.search(r": ([\d.]+)", told)[1]) <= most, told
    as_user = f"setpriv --reuid={UNIT} --regid={UNIT} --clear-groups"
    assert host.run(f"{as_user} sudo -n true").rc != 0
    for name in ("ssh_key", "vault_password", "webhook"):
        assert host.run(f"{as_user} cat /etc/research-server-drift/credentials/{name}").rc != 0
    # Nor does it own what root's units start, or what they read.
    assert (
        host.check_output(f"find /etc/research-server-drift /etc/systemd/system/{UNIT}* /usr/local/lib/{UNIT} ! -user root") == ""
    )


def test_a_lab_without_drift_is_nothing_to_tell(controller):
    controller.seen["mail"], controller.seen["webhook"] = len(controller._mails()), len(controller._posts())
    assert controller.run()[0] == 0
    assert {host["verdict"] for host in controller.report()["hosts"].values()} == {"clean"}
    assert len(controller.report()["hosts"]) == 3
    assert controller.told() == []
    metrics = controller.metrics()
    assert metrics["hosts", "clean"] == 3 and metrics["hosts", "drift"] == 0 and metrics["findings",] == 0
    assert abs(metrics["last_good_run_timestamp_seconds",] - time.time()) < 120


def test_drift_is_told_once_on_every_channel(controller, servers):
    servers[0].check_output(OPEN_HOME)
    # An answer is no failure of the unit.
    assert controller.run()[0] == 0
    (mail,), (post,) = controller.mails(), controller.posts()
    assert mail["Subject"] == post["body"]["subject"] == "Our lab: drift, 1 new, 1 host with another verdict"
    assert (mail["To"], mail["From"], mail["Auto-Submitted"]) == ("ops@localhost", "drift@localhost", "auto-generated")
    text = mail.get_content()
    assert "+ debian13-drift-controller-one: new: accounts: " in text and "clean -> drift" in text
    assert "# Drift of the research servers: drift" in text
    assert post["path"] == "/hook-of-ours" and post["headers"]["Authorization"] == f"Bearer {TOKEN}"
    assert post["body"]["text"].split() == text.split()
    assert post["body"]["hosts"] == {"drift": 1, "clean": 2}
    assert {(change["host"], change["kind"]) for change in post["body"]["changes"]} == {
        ("debian13-drift-controller-one", "new"),
        ("debian13-drift-controller-one", "verdict"),
    }
    metrics = controller.metrics()
    assert (metrics["hosts", "drift"], metrics["hosts", "clean"], metrics["findings",]) == (1, 2, 1)
    assert metrics["duration_seconds",] > 0
    assert controller.run()[0] == 0 and controller.told() == [], "the next night has nothing new"


def test_a_receiver_that_is_down_delays_nothing_and_loses_nothing(controller, servers):
    controller.receiver.check_output("systemctl stop receiver")
    servers[1].check_output(OPEN_HOME)
    rc, _seconds = controller.run()
    assert rc == 0
    assert [mail["Subject"] for mail in controller.mails()] == ["Our lab: drift, 1 new, 1 host with another verdict"]
    assert controller.posts() == []
    assert controller.metrics()["notifications_pending", "webhook"] == 1
    assert controller.host.run(f"systemctl is-failed {UNIT}-webhook").rc != 0, "it will try again"
    said = controller.host.check_output(f"journalctl --no-pager -u {UNIT}-webhook")
    assert "1 waiting" in said and "hook-of-ours" not in said and TOKEN not in said
    controller.receiver.check_output("systemd-run --quiet --unit=receiver python3 /srv/receiver.py")
    controller.receiver.check_output("for i in $(seq 600); do ss -ltn | grep -q :8088 && exit; sleep 0.1; done; exit 1")
    assert controller.start(f"{UNIT}-webhook") == 0
    assert [post["body"]["subject"] for post in controller.posts()] == ["Our lab: drift, 1 new, 1 host with another verdict"]
    assert controller.metrics()["notifications_pending", "webhook"] == 0
    assert controller.mails() == [], "nobody is told twice"


def test_no_secret_is_in_a_process_list_an_environment_or_a_file_of_others(controller):
    host = controller.host
    # It waits for the repository first.
    busy = (
        f"[ $(systemctl show -P ActiveState {UNIT}) = activating ] || systemctl list-jobs --no-legend {UNIT}.service | grep -q ."
    )
    look = (
        f"while {busy}; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | sort -u; sleep 0.1; done"
    )
    host.check_output(f"systemctl start --no-block {UNIT}")
    seen = host.check_output(f"{{ {look}; }} | sort -u")
    controller.settle()
    assert "vault_password" in seen, "the run was watched"
    for secret in (PASSWORD, TOKEN, "hook-of-ours", "PRIVATE KEY"):
        assert secret not in seen
    for secret in (PASSWORD, TOKEN, "hook-of-ours"):
        found = host.run(f"grep -rlF {secret} /etc /var /usr/local /tmp /run --exclude-dir=journal 2>/dev/null").stdout.split()
        assert found, secret
        for path in found:
            if not path.startswith("/run/credentials/"):
                assert host.file(path).mode & 0o077 == 0 and host.file(path).user == "root", path
    assert PASSWORD not in host.check_output("journalctl --no-pager")
    assert controller.told() == []


def test_what_is_repaired_is_told_and_then_it_is_silent(controller, repair):
    repair()
    assert controller.run()[0] == 0
    (mail,), (post,) = controller.mails(), controller.posts()
    assert mail["Subject"] == post["body"]["subject"] == "Our lab: clean, 2 repaired, 2 hosts with another verdict"
    assert mail.get_content().count(": repaired: accounts: ") == 2
    assert controller.run()[0] == 0 and controller.told() == []
    assert controller.metrics()["hosts", "clean"] == 3


@pytest.mark.one_release
def test_a_commit_that_cannot_be_installed_leaves_the_last_one_running(controller):
    host = controller.host
    before = host.check_output(f"readlink {STATE}/current"), host.check_output(f"readlink -f {STATE}/current/installed")
    commit(host, "echo no-such-package==1.0.0 >> requirements.txt")
    assert controller.run()[0] == 0
    assert (host.check_output(f"readlink {STATE}/current"), host.check_output(f"readlink -f {STATE}/current/installed")) == before
    assert len(controller.report()["hosts"]) == 3
    assert controller.told() == [f"Our lab: {UNIT}-update.service has failed (exit-code)"]
    assert controller.run()[0] == 0 and controller.told() == [], "once"
    commit(host, "sed -i /no-such-package/d requirements.txt")
    assert controller.run()[0] == 0
    after = host.check_output(f"readlink {STATE}/current"), host.check_output(f"readlink -f {STATE}/current/installed")
    assert after[0] != before[0] and after[1] == before[1], "nothing is installed again for the same requirements"
    (subject,) = controller.told()
    assert subject.startswith(f"Our lab: {UNIT}-update.service works again")


def commit(host, command):
    """By somebody of the lab."""
    git = "git -c user.name=ops -c user.email=ops@test"
    change = f"cd /root/lab; {command}; {git} commit -qam change; git push -q"
    host.check_output(f"set -e; rm -rf /root/lab; git clone -q /srv/git/lab.git /root/lab; {change}")


def test_nights_without_an_answer_are_an_alarm_of_their_own(controller):
    host = controller.host
    aged = (
        "import json, pathlib, datetime as d\n"
        "old = (d.datetime.now(d.timezone.utc) - d.timedelta(hours=50)).isoformat(timespec='seconds')\n"
        f"for name, key in (('drift.json', 'finished'), ('notify/told.json', 'report')):\n"
        f" path = pathlib.Path('{STATE}') / name; told = json.loads(path.read_text()); told[key] = old\n"
        " path.write_text(json.dumps(told))\n"
    )
    host.check_output("python3 -c %s", aged)
    assert controller.start(f"{UNIT}-notify@watch.service") == 0
    (subject,) = controller.told()
    assert subject.startswith("Our lab: no drift run has told anything for 50 hours")
    assert controller.start(f"{UNIT}-notify@watch.service") == 0 and controller.told() == [], "once"
    assert controller.run()[0] == 0
    (subject,) = controller.told()
    assert subject.startswith("Our lab: drift runs tell again")


@pytest.mark.one_release
def test_a_run_that_cannot_begin_fails_the_unit_and_is_told(controller):
    host, secret = controller.host, "/etc/research-server-drift/credentials/vault_password"
    host.check_output(f"cp -p {secret} /root/kept && echo wrong > {secret}")
    try:
        assert controller.run()[0] != 0
        assert controller.told() == [f"Our lab: {UNIT}.service has failed (exit-code)"]
    finally:
        host.check_output(f"mv /root/kept {secret}")
    assert controller.run()[0] == 0
    (subject,) = controller.told()
    assert subject.startswith(f"Our lab: {UNIT}.service works again")
