# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three servers compare themselves, each with a repository of its own, and send their reports to a controller."""

from __future__ import annotations

import concurrent.futures
import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

testinfra_hosts = ["docker://debian13-drift-controller"]

FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
ROOT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
EXAMPLE = ROOT / "docs/examples/pull/research-server-pull"
ETC = "/etc/research-server-pull"
PLAYBOOK = "- import_playbook: openlab.research_server.drift\n"
# Each server has one of its own, in its repository and in its vault's password.
SECRETS = {"one": "secret-of-one-6b1f", "two": "secret-of-two-90ac", "three": "secret-of-three-d27e"}


def local(command: list[str], text: str = "") -> str:
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=300).stdout


def secret_of(name: str) -> str:
    return SECRETS[name.rpartition("-")[2]]


def variables() -> dict:
    """The lab's, as the nightly run of the controller has them."""
    told = yaml.safe_load((FOLDER / "lab/lab/group_vars/all/lab.yml").read_text(encoding="utf-8"))
    return {name: value for name, value in told.items() if name != "ansible_user"}


@pytest.fixture(scope="module")
def pulling(host, servers, tmp_path_factory):
    """The servers by name, and the controller that they know by name and key."""
    address = json.loads((FOLDER / "ssh/addresses.json").read_text(encoding="utf-8"))["debian13-drift-controller"]
    identity = host.check_output("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")
    host.check_output("id pull 2>/dev/null || useradd --create-home --shell /bin/sh pull")
    host.check_output(
        "install -d -o pull /srv/pull /srv/reports; install -d -m 700 -o pull ~pull/.ssh; : > ~pull/.ssh/authorized_keys"
    )
    told = variables()
    # Not by threads: the first folder makes the one that all of them are in.
    folders = {server: tmp_path_factory.mktemp(server.backend.get_hostname()) for server in servers}

    def prepare(server):
        name, folder = server.backend.get_hostname(), folders[server]
        repository(folder / "lab", name, told)
        local(["git", "clone", "--quiet", "--bare", str(folder / "lab"), str(folder / "bare")])
        local(["docker", "cp", f"{folder / 'bare'}/.", f"debian13-drift-controller:/srv/pull/{name}.git"])
        for key in ("fetch", "report"):
            local(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)])
        take = f"cat > /srv/reports/{name}.new && mv /srv/reports/{name}.new /srv/reports/{name}.json"
        for key, command in (("fetch", f"git-upload-pack /srv/pull/{name}.git"), ("report", take)):
            line = f'restrict,command="{command}" {(folder / f"{key}.pub").read_text(encoding="utf-8").strip()}'
            host.check_output("echo %s >> ~pull/.ssh/authorized_keys", line)
        (folder / "known_hosts").write_text(f"{address} {identity}\n", encoding="utf-8")
        (folder / "vault_password").touch(mode=0o600)
        (folder / "vault_password").write_text(secret_of(name), encoding="utf-8")
        server.check_output("apt-get update -q && apt-get install -qy --no-install-recommends git python3-venv")
        server.check_output(f"install -d -m 700 {ETC} && python3 -m venv {ETC}/venv")
        archive = next((FOLDER / "artifact").glob("*.tar.gz"))
        for path in (folder / "fetch", folder / "report", folder / "known_hosts", folder / "vault_password", archive):
            local(["docker", "cp", str(path), f"{name}:{ETC}/"])
        local(["docker", "cp", str(EXAMPLE), f"{name}:/usr/local/sbin/"])
        pins = (ROOT / "playbooks/files/new_lab/requirements.txt").read_text(encoding="utf-8").splitlines()
        wanted = " ".join(line for line in pins if line and not line.startswith("#"))
        server.check_output(f"chown -R root:root {ETC}; {ETC}/venv/bin/pip install --quiet {wanted}")
        install = (
            f"{ETC}/venv/bin/ansible-galaxy collection install --offline --no-deps -p {ETC}/collections {ETC}/{archive.name}"
        )
        server.check_output(f"LC_ALL=C.UTF-8 {install}")
        return name, server

    with concurrent.futures.ThreadPoolExecutor(len(servers)) as pool:
        found = dict(pool.map(prepare, servers))
    host.check_output("chown -R pull /srv/pull ~pull/.ssh; chmod 600 ~pull/.ssh/authorized_keys")
    return address, found


def repository(folder: Path, name: str, told: dict) -> None:
    """Of one server: nobody else's name, variables or secrets are in it."""
    (folder / "lab/group_vars/all").mkdir(parents=True)
    (folder / "drift.yml").write_text(PLAYBOOK, encoding="utf-8")
    host = {name: {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}}
    groups = {group: {"hosts": host} for group in ("accounts", "audit")}
    (folder / "lab/hosts.yml").write_text(json.dumps(groups), encoding="utf-8")
    (folder / "lab/group_vars/all/lab.yml").write_text(json.dumps(told), encoding="utf-8")
    vault = folder / "lab/group_vars/all/vault.yml"
    vault.write_text(f"lab_secret: {secret_of(name)}\naudit_seconds: 300\n", encoding="utf-8")
    password = folder.parent / "password"
    password.write_text(secret_of(name), encoding="utf-8")
    local(["ansible-vault", "encrypt", "--vault-password-file", str(password), str(vault)])
    git = ["git", "-C", str(folder), "-c", "user.name=ops", "-c", "user.email=ops@test"]
    for command in (["init", "--quiet", "--initial-branch=main"], ["add", "--all"], ["commit", "--quiet", "--message=Ours"]):
        local([*git, *command])


def pull(address: str, server) -> None:
    name = server.backend.get_hostname()
    done = server.run(f"LC_ALL=C.UTF-8 research-server-pull ssh://pull@{address}/{name}.git pull@{address}")
    assert done.rc == 0, done.stdout[-3000:] + done.stderr[-3000:]


def night(host, pulling) -> dict[str, dict]:
    """What the controller has got from each of them."""
    address, servers = pulling
    with concurrent.futures.ThreadPoolExecutor(len(servers)) as pool:
        list(pool.map(lambda server: pull(address, server), servers.values()))
    reports = {name: json.loads(host.check_output(f"cat /srv/reports/{name}.json")) for name in servers}
    assert {name: list(report["hosts"]) for name, report in reports.items()} == {name: [name] for name in servers}
    return {name: report["hosts"][name] for name, report in reports.items()}


def test_each_says_what_it_is_and_what_has_drifted(host, pulling):
    odd = "debian13-drift-controller-two"
    assert {name: told["verdict"] for name, told in night(host, pulling).items()} == dict.fromkeys(pulling[1], "clean")
    pulling[1][odd].check_output("chmod 0777 /home/alice")
    try:
        told = night(host, pulling)
    finally:
        pulling[1][odd].check_output("chmod 0700 /home/alice")
    assert {name for name, said in told.items() if said["verdict"] == "drift"} == {odd}
    assert [("-alice: home 0777" in entry["diff"], entry["new"]) for entry in told[odd]["drift"]] == [(True, True)]
    assert {said["verdict"] for said in night(host, pulling).values()} == {"clean"}


def test_nobody_has_secrets_of_others(pulling):
    for name, server in pulling[1].items():
        texts = {
            other: server.run(
                f"grep -rlF {secret} /etc /root /home /opt /srv /var /usr/local /tmp /run 2>/dev/null"
            ).stdout.split()
            for other, secret in SECRETS.items()
        }
        own = name.rpartition("-")[2]
        assert texts[own] == [f"{ETC}/vault_password"], texts
        assert all(not found for other, found in texts.items() if other != own), texts
        assert server.file(f"{ETC}/vault_password").mode & 0o077 == 0


def test_a_key_opens_nothing_of_others(host, pulling):
    address, servers = pulling
    via = f"ssh -F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -o UserKnownHostsFile={ETC}/known_hosts -i {ETC}"
    first, second = list(servers)[:2]
    asked = f"{via}/fetch pull@{address} cat /srv/reports/{second}.json"
    said = servers[first].run(f"{asked} </dev/null").stdout
    assert "verdict" not in said and "refs/heads/main" in said, "whatever is asked, it is its own repository"
    before = host.check_output(f"sha256sum /srv/reports/{second}.json")
    servers[first].check_output(f"echo '{{}}' | {via}/report pull@{address} 'cat > /srv/reports/{second}.json'")
    assert host.check_output(f"sha256sum /srv/reports/{second}.json") == before
    assert host.check_output(f"cat /srv/reports/{first}.json") == "{}"
