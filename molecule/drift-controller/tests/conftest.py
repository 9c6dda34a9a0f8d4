# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller, its lab, and those who are told."""

from __future__ import annotations

import email
import email.policy
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
import testinfra
from prometheus_client.parser import text_string_to_metric_families

FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
ROOT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
STATE = "/var/lib/research-server-drift"
SERVERS = ("debian13-drift-controller-one", "debian13-drift-controller-two", "debian12-drift-controller-three")
UNIT = "research-server-drift"


class Controller:
    """What an administrator does there, and what people have been told since the last look."""

    def __init__(self, host):
        self.host = host
        self.name = host.backend.get_hostname()
        peer = "debian12" if "debian13" in self.name else "debian13"
        self.receiver = testinfra.get_host(f"docker://{peer}-drift-controller")
        self.address = json.loads((FOLDER / "ssh/addresses.json").read_text())[self.name]
        self.seen = {"mail": len(self._mails()), "webhook": len(self._posts())}

    def run(self):
        """The nightly run, and all that follows from it. How many seconds it took, without those that were told of it."""
        began = time.monotonic()
        done = self.host.run(f"systemctl start {UNIT}.service")
        took = time.monotonic() - began
        self.settle()
        return done.rc, took

    def start(self, unit):
        done = self.host.run(f"systemctl start {unit}")
        self.settle()
        return done.rc

    def settle(self):
        """Nothing of it is at work any more."""
        busy = f"systemctl list-units --no-legend --state=activating '{UNIT}*.service' | grep -q ."
        jobs = f"systemctl list-jobs --no-legend '{UNIT}*' | grep -q ."
        self.host.check_output(
            f"for i in $(seq 900); do {{ {busy} || {jobs} || pgrep -x dma >/dev/null; }} || exit 0; sleep 0.2; done; exit 1"
        )

    def _mails(self):
        text = self.host.run("cat /var/mail/ops 2>/dev/null").stdout
        parts = text.split("\nFrom ") if text else []
        return [email.message_from_string(part.partition("\n")[2], policy=email.policy.default) for part in parts]

    def _posts(self):
        lines = self.receiver.run("cat /srv/received 2>/dev/null").stdout.splitlines()
        return [told for told in map(json.loads, lines) if told["from"] == self.address]

    def mails(self):
        """Those that are new."""
        found = self._mails()[self.seen["mail"] :]
        self.seen["mail"] += len(found)
        return found

    def posts(self):
        found = self._posts()[self.seen["webhook"] :]
        self.seen["webhook"] += len(found)
        return found

    def told(self):
        """The same is told on both ways: subjects, each once."""
        mails, posts = ([mail["Subject"] for mail in self.mails()], [post["body"]["subject"] for post in self.posts()])
        assert mails == posts
        return mails

    def metrics(self):
        """As Prometheus reads them: by name and labels."""
        text = self.host.check_output("cat /var/lib/prometheus/node-exporter/*.prom")
        families = list(text_string_to_metric_families(text))
        assert all(family.documentation and family.type == "gauge" for family in families)
        return {
            (sample.name.removeprefix("research_server_drift_"), *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }

    def report(self):
        return json.loads(self.host.check_output(f"cat {STATE}/drift.json"))


@pytest.fixture(scope="module")
def controller(host):
    return Controller(host)


@pytest.fixture(scope="session")
def servers():
    return [testinfra.get_host(f"docker://{name}") for name in SERVERS]


@pytest.fixture(scope="session")
def repair():
    """`site.yml`, by whoever applies it."""

    def run():
        command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "--limit", "accounts"]
        subprocess.run([*command, str(ROOT / "playbooks/site.yml")], check=True, capture_output=True, timeout=300)

    return run
