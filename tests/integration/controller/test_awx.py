# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/examples/awx, by the real modules of awx.awx, which send it to a stand-in for AWX's API, and by what awxkit knows of AWX.

There is no AWX here: what it makes of a job is not tested.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import typing as t
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from ansible_collections.openlab.research_server.tests.integration import peers

EXAMPLE = peers.ROOT / "docs" / "examples" / "awx"
Item = dict[str, t.Any]
# Which fields AWX's client would send of those that it is given. Its schedule takes what it gets.
KNOWN = """
import json, sys
from types import SimpleNamespace
from awxkit.api.pages import JobTemplate
links = ("project", "inventory", "execution_environment")
told = [{**given, **{key: SimpleNamespace(id=given[key]) for key in links if key in given}} for given in json.load(sys.stdin)]
print(json.dumps([dict(JobTemplate.payload(None, **given)) for given in told], default=vars))
"""


class Awx(ThreadingHTTPServer):
    """Keeps what it is sent, and finds it by the words of a query. What the example takes for granted is there when it is asked for."""

    THERE = ("organizations", "credentials", "execution_environments")

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.kept: dict[str, list[Item]] = {}
        self.linked: dict[str, list[int]] = {}
        self.lock = threading.Lock()

    def find(self, endpoint: str, wanted: dict[str, str]) -> list[Item]:
        if endpoint in self.THERE and not any(item["name"] == wanted["name"] for item in self.kept.get(endpoint, [])):
            self.add(endpoint, {"name": wanted["name"]})
        items = self.kept.get("job_templates" if endpoint == "unified_job_templates" else endpoint, [])
        return [item for item in items if all(str(item.get(key)) == value for key, value in wanted.items())]

    def add(self, endpoint: str, fields: Item) -> Item:
        number = sum(map(len, self.kept.values())) + 1
        item = {**fields, "id": number, "url": f"/api/v2/{endpoint}/{number}/", "type": endpoint[:-1], "related": {}}
        self.kept.setdefault(endpoint, []).append(item)
        return item


class Request(BaseHTTPRequestHandler):
    server: Awx

    def do_GET(self) -> None:
        place = urllib.parse.urlsplit(self.path)
        with self.server.lock:
            endpoint, *below = place.path.removeprefix("/api/v2/").strip("/").split("/")
            if below:
                found = [{"id": number} for number in self.server.linked.get(place.path, [])]
            else:
                found = self.server.find(endpoint, dict(urllib.parse.parse_qsl(place.query)))
        self.answer(200, {"count": len(found), "next": None, "results": found})

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            endpoint, *below = self.path.removeprefix("/api/v2/").strip("/").split("/")
            if below:
                self.server.linked.setdefault(self.path, []).append(told["id"])
                self.answer(204, None)
            else:
                self.answer(201, self.server.add(endpoint, told))

    def answer(self, status: int, content: Item | None) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        for name, value in (
            ("X-API-Product-Name", "AWX"),
            ("X-API-Product-Version", "24.6.1"),
            ("Content-Length", str(len(body))),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def awx() -> Iterator[Awx]:
    with Awx() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "hosts.yml").write_text("research_servers: {hosts: {gpu-01: {}, gpu-02: {}}}\n")
    return tmp_path


def declare(lab: Path, awx: Awx, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    environment |= {
        "ANSIBLE_COLLECTIONS_PATH": str(peers.collection("awx.awx")),
        "ANSIBLE_HOME": str(lab / "home"),
        "CONTROLLER_HOST": f"http://127.0.0.1:{awx.server_port}",
        "CONTROLLER_OAUTH_TOKEN": "token",
    }
    command = ["ansible-playbook", "awx.yml", "-i", "lab", *arguments]
    return subprocess.run(command, cwd=lab, env=environment, capture_output=True, text=True, timeout=120, check=False)


def known_to_awxkit(fields: list[Item]) -> list[Item]:
    python = peers.python_environment("awxkit") / "bin" / "python"
    done = subprocess.run(
        [python, "-W", "ignore", "-c", KNOWN], input=json.dumps(fields), capture_output=True, text=True, timeout=60, check=True
    )
    known: list[Item] = json.loads(done.stdout)
    return known


def test_awx_is_told_of_both_jobs_once(lab: Path, awx: Awx) -> None:
    done = declare(lab, awx, "-e", "awx_slices=2")
    assert done.returncode == 0, done.stdout + done.stderr
    (project,), (inventory,), (source,) = (awx.kept[name] for name in ("projects", "inventories", "inventory_sources"))
    assert source["source_project"] == project["id"] and source["inventory"] == inventory["id"] and source["source_path"] == "lab"
    by_name = {item["name"]: item for item in awx.kept["job_templates"]}
    apply, drift = by_name["Research servers: apply"], by_name["Research servers: drift"]
    assert (apply["job_type"], drift["job_type"]) == ("run", "check")
    for job in (apply, drift):
        assert (job["project"], job["inventory"], job["job_slice_count"], job["diff_mode"]) == (
            project["id"],
            inventory["id"],
            2,
            True,
        )
        assert len(awx.linked[f"{job['url']}credentials/"]) == 1
        # Ansible fills this in there, for each host; here it must not have been.
        assert json.loads(job["extra_vars"])["audit_baseline"].endswith("/lab/audit/{{ inventory_hostname }}.yml")
    (schedule,) = awx.kept["schedules"]
    assert schedule["unified_job_template"] == drift["id"] and schedule["enabled"] is True
    # What is declared already is left alone; the stand-in knows no way to change it.
    again = declare(lab, awx, "-e", "awx_slices=2")
    assert again.returncode == 0 and "changed=0" in again.stdout, again.stdout
    sent = [{key: value for key, value in job.items() if key not in ("id", "url", "type", "related")} for job in (apply, drift)]
    # Of a job template the organization is the project's.
    told = [{key for key in job if key != "organization"} for job in sent]
    assert [{key for key in job if key != "description"} for job in known_to_awxkit(sent)] == told


@pytest.mark.thorough
def test_a_field_that_awx_does_not_have_is_seen_by_both(lab: Path, awx: Awx) -> None:
    playbook = lab / "awx.yml"
    playbook.write_text(playbook.read_text().replace("job_slice_count:", "job_slices:"))
    done = declare(lab, awx)
    assert done.returncode == 2 and "job_slices" in done.stdout
    assert "job_slices" not in known_to_awxkit([{"job_slices": 2}])[0]


def test_slices_are_refused_where_a_host_has_to_know_of_the_bastion(lab: Path, awx: Awx) -> None:
    hosts = lab / "lab" / "hosts.yml"
    hosts.write_text(hosts.read_text() + "bastion: {hosts: {login.lab.example: {}}}\n")
    done = declare(lab, awx, "-e", "awx_slices=2")
    assert done.returncode == 2 and "login.lab.example" in done.stdout
    assert awx.kept == {}
    # An inventory that is not there has no bastion, either.
    shutil.rmtree(lab / "lab")
    assert "found no hosts" in declare(lab, awx, "-e", "awx_slices=2").stdout
    assert awx.kept == {}


SPARED = """
- hosts: research_servers
  gather_facts: false
  vars_files: [{root}/roles/fail2ban/vars/main.yml]
  tasks:
    - ansible.builtin.debug: {{msg: "spared: {{{{ __fail2ban_bastions }}}}"}}
"""
SERVERS: Item = {"research_servers": {"hosts": {"gpu-01": {}}}}
DOOR: Item = {"bastion": {"hosts": {"login": {"ansible_host": "192.0.2.1"}}}}


@pytest.mark.parametrize(
    ("inventory", "spared"),
    [
        pytest.param({**SERVERS, **DOOR}, "192.0.2.1", id="a part by --limit"),
        pytest.param({**SERVERS, "bastion": {}}, "[]", id="a slice, which has the group and not its host"),
    ],
)
def test_why_slices_are_refused(tmp_path: Path, inventory: Item, spared: str) -> None:
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
    (tmp_path / "spared.yml").write_text(SPARED.format(root=peers.ROOT))
    command = ["ansible-playbook", "spared.yml", "-i", "hosts.yml", "--limit", "research_servers[0:0]"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert any("spared: " in line and spared in line for line in done.stdout.splitlines()), done.stdout


def test_the_playbooks_are_there_and_the_places_are_those_that_the_roles_look_for() -> None:
    """AWX makes an inventory file of its own, in another folder: what roles find by inventory_dir has to be told."""
    (drift,) = yaml.safe_load((EXAMPLE / "drift.yml").read_text())
    assert (peers.ROOT / "playbooks" / f"{drift['import_playbook'].rpartition('.')[2]}.yml").is_file()
    assert (peers.ROOT / "playbooks" / "files" / "new_lab" / "site.yml").is_file()
    # Who follows another variable first needs that one alone.
    looked_for = {
        follows[1] if (follows := re.search(r"(\w+) \| default\(inventory_dir", line)) else line.partition(":")[0]
        for path in (peers.ROOT / "roles").glob("*/defaults/main.yml")
        for line in path.read_text().splitlines()
        if "inventory_dir" in line
    }
    text = (EXAMPLE / "awx.yml").read_text()
    assert looked_for and all(f"      {name}: " in text for name in looked_for)
