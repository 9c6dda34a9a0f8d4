# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ARA records the run beside our report (docs/drift.md, "ARA"): both agree on every host, and differ where the guide says so."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import typing as t
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import waiting
from ansible_collections.openlab.research_server.tests.integration import peers
from ansible_collections.openlab.research_server.tests.integration.controller.test_drift_command import DEAD, Lab
from hosts.images import OWNER_LABEL, image
from hosts.network import NETWORK
from shell import docker, run

# An environment of forty packages, and Django's start in each run.
pytestmark = pytest.mark.thorough

SITE = """
- name: The site
  hosts: accounts
  gather_facts: false
  ignore_errors: "{{ __site_compare_all | default(false) }}"
  tasks:
    - name: File
      ansible.builtin.copy: {content: "wanted\\npassword=in-a-file\\n", dest: "{{ folder }}/file", mode: "0600"}
    - name: A secret that its task tells nobody
      ansible.builtin.copy: {content: "{{ secret }}", dest: "{{ folder }}/secret", mode: "0600"}
      no_log: true
    - name: A role of the collection
      ansible.builtin.import_role: {name: openlab.research_server.sshd}
"""
ROLE = """
- name: Broken
  ansible.builtin.fail: {msg: broken}
  when: broken | default(false)
"""
# What a person asks `ara` for, in one start of Django. $1: the client; for `http` also the address and who asks.
READ = """
import json, sys
from ara.clients.utils import get_client
kind, *server = sys.argv[1:]
client = get_client(kind, **dict(zip(("endpoint", "username", "password"), server)), **({"run_sql_migrations": False} if not server else {}))
told = {name: client.get(f"/api/v1/{name}", limit=1000)["results"] for name in ("playbooks", "hosts", "results", "files")}
told["results"] = [client.get(f"/api/v1/results/{result['id']}") for result in told["results"]]
told["files"] = [client.get(f"/api/v1/files/{file['id']}") for file in told["files"]]
print("\\n" + json.dumps(told))
"""


@dataclass(frozen=True)
class Counts:
    """What a run says of one host. A failure that the run goes on after is one, too."""

    changed: int
    failed: int
    unreachable: int


class Recorded:
    """A lab whose runs ARA records, as the guide says to set it up."""

    def __init__(self, folder: Path, hosts: dict[str, dict[str, object]], **settings: str) -> None:
        self.ara = peers.python_environment("ara")
        self.lab = Lab(folder)
        collection = self.lab.command.parents[1]
        (collection / "playbooks" / "site.yml").write_text(SITE)
        (collection / "roles").unlink()
        (collection / "roles" / "sshd" / "tasks").mkdir(parents=True)
        (collection / "roles" / "sshd" / "tasks" / "main.yml").write_text(ROLE)
        (collection / "roles" / "audit").symlink_to(peers.ROOT / "roles" / "audit")
        self.lab.inventory(hosts)
        (folder / "group_vars").mkdir()
        (folder / "group_vars" / "all.yml").write_text("secret: from-the-inventory\n")
        told = subprocess.run(
            [self.ara / "bin" / "python", "-m", "ara.setup.callback_plugins"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        self.settings = {
            "PATH": f"{self.ara / 'bin'}:{os.environ['PATH']}",
            "ANSIBLE_CALLBACK_PLUGINS": told.stdout.strip(),
            "ARA_BASE_DIR": str(folder / "ara"),
            **settings,
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        settings = [f"{key}={value}" for key, value in self.settings.items()]
        done: subprocess.CompletedProcess[str] = self.lab.start(
            "env", *settings, self.lab.command, "--report", str(self.lab.report_file), *arguments
        )
        return done

    def report(self) -> dict[str, t.Any]:
        read: dict[str, t.Any] = json.loads(self.lab.report_file.read_text())
        return read

    def record(self, *client: str) -> dict[str, t.Any]:
        asked = [self.ara / "bin" / "python", "-c", READ, *(client or ("offline",))]
        done = subprocess.run(
            asked, env={**os.environ, **self.settings}, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        read: dict[str, t.Any] = json.loads(done.stdout.splitlines()[-1])
        return read


def ours(report: dict[str, t.Any]) -> dict[str, Counts]:
    def of(host: dict[str, t.Any]) -> Counts:
        kinds = [error["kind"] for error in host["errors"]]
        return Counts(len(host["drift"]), kinds.count("failed"), kinds.count("unreachable"))

    return {name: of(host) for name, host in report["hosts"].items()}


def theirs(record: dict[str, t.Any], playbook: int) -> dict[str, Counts]:
    """By the results of tasks; what ARA's table of hosts has besides is asked in the tests."""

    def of(host: dict[str, t.Any]) -> Counts:
        results = [result for result in record["results"] if result["host"]["id"] == host["id"]]
        states = [result["status"] for result in results]
        # The comparison goes on after a role that could not be compared; ARA calls that ignored.
        failed = states.count("failed") + states.count("ignored")
        return Counts(sum(result["changed"] for result in results), failed, states.count("unreachable"))

    return {host["name"]: of(host) for host in record["hosts"] if host["playbook"] == playbook}


def hosts_of(folder: Path, prefix: str) -> dict[str, dict[str, object]]:
    """One of each kind: it differs, it is in order, it fails and differs, it cannot be reached."""
    in_order = folder / f"{prefix}-in-order"
    in_order.mkdir(parents=True)
    for name, content in (("file", "wanted\npassword=in-a-file\n"), ("secret", "from-the-inventory")):
        (in_order / name).write_text(content)
        (in_order / name).chmod(0o600)
    return {
        f"{prefix}-differs": {},
        f"{prefix}-in-order": {"folder": str(in_order)},
        f"{prefix}-fails": {"broken": True},
        f"{prefix}-dead": dict(DEAD),
    }


def test_the_record_in_sqlite_agrees_on_every_host_and_does_not_know_the_verdict(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, hosts_of(tmp_path, "gpu"))
    done = recorded.run()
    assert done.returncode == 3, done.stdout + done.stderr
    record, report = recorded.record(), recorded.report()
    (playbook,) = record["playbooks"]
    agreed = ours(report)
    assert agreed == {
        "gpu-differs": Counts(2, 0, 0),
        "gpu-in-order": Counts(0, 0, 0),
        "gpu-fails": Counts(2, 1, 0),
        "gpu-dead": Counts(0, 0, 1),
    }
    assert theirs(record, playbook["id"]) == agreed
    # Its table of hosts is Ansible's recap. There, a role that could not be compared has failed nothing: the run went on after it.
    recap = {host["name"]: Counts(host["changed"], host["failed"], host["unreachable"]) for host in record["hosts"]}
    assert recap == {**agreed, "gpu-fails": Counts(2, 0, 0)}
    assert {label["name"] for label in playbook["labels"]} >= {"check:True"}
    # What a module was told stands in its results, whatever our report hides. Of a task with no_log neither has anything.
    assert "password=in-a-file" in json.dumps(record) and "in-a-file" not in json.dumps(report)
    assert not any("from-the-inventory" in json.dumps(result) for result in record["results"])
    assert "from-the-inventory" not in json.dumps(report)
    # The files of the run are copied as they stand, those of variables among them.
    assert any("from-the-inventory" in file["content"] for file in record["files"])


def test_drift_is_completed_for_ara_and_results_can_be_kept_out(tmp_path: Path) -> None:
    settings = {"ARA_RECORD_TASK_CONTENT": "false", "ARA_IGNORED_FILES": "/"}
    recorded = Recorded(tmp_path, {"gpu-01": {}}, **settings)
    assert recorded.run().returncode == 2
    record = recorded.record()
    (playbook,) = record["playbooks"]
    assert playbook["status"] == "completed"
    assert theirs(record, playbook["id"]) == ours(recorded.report())
    assert "in-a-file" not in json.dumps(record) and "from-the-inventory" not in json.dumps(record)


def test_a_server_that_does_not_answer_takes_nothing_from_the_report(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, {"gpu-01": {}}, ARA_API_CLIENT="http", ARA_API_SERVER="http://127.0.0.1:1", ARA_API_TIMEOUT="5")
    done = recorded.run()
    assert done.returncode == 2, done.stdout + done.stderr
    assert recorded.report()["hosts"]["gpu-01"]["verdict"] == "drift"
    assert "ara_default" in done.stderr


@pytest.fixture
def postgresql() -> Iterator[dict[str, str]]:
    """Debian's PostgreSQL in a container of the test bed, as ARA's settings name it."""
    for kind, name in (("image", image("debian13")), ("network", NETWORK)):
        if run(["docker", kind, "inspect", name], timeout=30, check=False).returncode != 0:
            pytest.skip(f"found no {kind} {name}; expected the test bed: make testbed")
    name, password = f"beyond-ara-postgresql-{os.getpid()}", secrets.token_hex(16)
    create = ["run", "--detach", "--name", name, "--label", OWNER_LABEL, "--network", NETWORK]
    docker(*create, "--entrypoint", "sleep", image("debian13"), "3600")
    script = f"""set -eu
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >/dev/null
    apt-get install -qy --no-install-recommends postgresql >/dev/null
    set -- $(pg_lsclusters --no-header)
    echo "listen_addresses = '*'" >> "/etc/postgresql/$1/main/postgresql.conf"
    echo "host ara ara samenet scram-sha-256" >> "/etc/postgresql/$1/main/pg_hba.conf"
    pg_ctlcluster "$1" main start
    runuser -u postgres -- psql -qc "create role ara login password '{password}'" -c "create database ara owner ara"
    """
    try:
        docker("exec", "--interactive", name, "sh", "-s", stdin=script, timeout=300)
        address = docker("inspect", "--format", f'{{{{(index .NetworkSettings.Networks "{NETWORK}").IPAddress}}}}', name)
        yield {
            "ARA_DATABASE_ENGINE": "django.db.backends.postgresql",
            "ARA_DATABASE_NAME": "ara",
            "ARA_DATABASE_USER": "ara",
            "ARA_DATABASE_PASSWORD": password,
            "ARA_DATABASE_HOST": address,
            "ARA_DATABASE_PORT": "5432",
        }
    finally:
        docker("rm", "--force", "--volumes", name, check=False)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def refuses(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}/api/v1/playbooks", timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False
    raise AssertionError("it answers whoever asks")


def test_two_controllers_record_into_one_server_with_postgresql(tmp_path: Path, postgresql: dict[str, str]) -> None:
    ara, address, password = peers.python_environment("ara"), f"http://127.0.0.1:{free_port()}", secrets.token_hex(16)
    login = {"ARA_READ_LOGIN_REQUIRED": "true", "ARA_WRITE_LOGIN_REQUIRED": "true", "ARA_SECRET_KEY": secrets.token_hex(32)}
    environment = {**os.environ, **postgresql, **login, "ARA_BASE_DIR": str(tmp_path / "server")}
    manage = ara / "bin" / "ara-manage"
    for arguments in (["migrate"], ["createsuperuser", "--noinput", "--username", "lab", "--email", "lab@lab.example"]):
        subprocess.run(
            [manage, *arguments],
            env={**environment, "DJANGO_SUPERUSER_PASSWORD": password},
            timeout=120,
            check=True,
            capture_output=True,
        )
    log = (tmp_path / "server.log").open("w")
    serve = [manage, "runserver", "--noreload", address.removeprefix("http://")]
    with log, subprocess.Popen(serve, env=environment, stdout=log, stderr=log) as server:
        try:
            waiting.wait_until(lambda: refuses(address))
            client = {
                "ARA_API_CLIENT": "http",
                "ARA_API_SERVER": address,
                "ARA_API_USERNAME": "lab",
                "ARA_API_PASSWORD": password,
            }
            controllers = {}
            for name in ("one", "two"):
                folder = tmp_path / name
                folder.mkdir()
                settings = {**client, "ARA_RECORD_CONTROLLER_NAME": name, "ARA_CALLBACK_THREADS": "4"}
                controllers[name] = Recorded(folder, hosts_of(folder, name), **settings)
            with ThreadPoolExecutor() as pool:
                ended = list(pool.map(Recorded.run, controllers.values()))
            assert [done.returncode for done in ended] == [3, 3], [done.stderr for done in ended]
            record = controllers["one"].record("http", address, "lab", password)
        finally:
            server.terminate()
    recorded = {playbook["controller"]: playbook["id"] for playbook in record["playbooks"]}
    assert set(recorded) == set(controllers)
    for name, controller in controllers.items():
        assert theirs(record, recorded[name]) == ours(controller.report())
