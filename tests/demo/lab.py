# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo lab: two bare servers, three people with keys, and the inventory that names them."""

from __future__ import annotations

import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import yaml
from hosts.images import RELEASES
from hosts.network import MIRROR_ROOT, MIRROR_URL
from hosts.servers import EMPTY_SYSFS, Server
from hosts.servers import remove as remove_servers
from hosts.servers import start as start_servers
from people.ssh_tunnel import Login
from shell import CACHE, ROOT, TestbedError, run

WORK = CACHE / "demo"
KNOWN_HOSTS = WORK / "known_hosts"
INVENTORY = ROOT / "inventories" / "demo"
HOSTS_FILE = INVENTORY / "hosts.yml"
GENERATED = INVENTORY / "group_vars" / "all" / "generated.yml"
PEOPLE = ("ops", "ada", "grace")
PORT = 2222
RESEARCHER = "ada"
ENVIRONMENT = "demo"
NOTE = "# Written by `make demo`.\n---\n"


@dataclass(frozen=True)
class Host(Server):
    def login(self, user: str, port: int = PORT) -> Login:
        """A login with the person's key that trusts only this host's pinned identity."""
        return Login(self.address, user, key(user), KNOWN_HOSTS, port)


def key(user: str) -> Path:
    """The private key of one of the people; root is tried with the administrator's."""
    return WORK / "keys" / ("ops" if user == "root" else user)


def make_keys() -> dict[str, str]:
    folder = WORK / "keys"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for person in PEOPLE:
        if not key(person).exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{person}@demo", "-f", key(person)], timeout=30)
    return {person: key(person).with_suffix(".pub").read_text(encoding="utf-8").strip() for person in PEOPLE}


def start(administrator_key: str) -> list[Host]:
    """Two fresh servers; a demo that was there before is replaced."""
    servers = start_servers({container(release): release for release in RELEASES}, administrator_key)
    KNOWN_HOSTS.write_text("".join(server.known_hosts_line() for server in servers), encoding="utf-8")
    return [Host(server.name, server.address, server.identity) for server in servers]


def container(release: str) -> str:
    return f"{release}-demo"


def official_site_answers() -> bool:
    request = urllib.request.Request("https://repo.anaconda.com/miniconda/", method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=4):
            return True
    except OSError:
        return False


def conda_source(mirror: str) -> dict[str, object]:
    """Where the hosts get conda from: the local mirror, or the official sites as the example inventory has them."""
    if mirror == "official":
        example = ROOT / "inventories" / "lab" / "group_vars" / "all" / "miniconda.yml"
        return dict(yaml.safe_load(example.read_text(encoding="utf-8")))
    described = yaml.safe_load((MIRROR_ROOT / "mirror.json").read_text(encoding="utf-8"))
    return {
        "miniconda_version": described["miniconda_version"],
        "miniconda_checksum": described["checksum"],
        "miniconda_base_url": f"{MIRROR_URL}/miniconda",
        "miniconda_channel_alias": f"{MIRROR_URL}/conda",
    }


def write_inventory(hosts: list[Host], keys: dict[str, str], mirror: str) -> None:
    machines = {"cpu_servers": {"hosts": {host.name: {"ansible_host": host.address} for host in hosts}}}
    HOSTS_FILE.write_text(NOTE + yaml.safe_dump(machines), encoding="utf-8")
    connection = {
        "ansible_ssh_private_key_file": str(key("ops")),
        "ansible_ssh_common_args": f"-F /dev/null -o UserKnownHostsFile={KNOWN_HOSTS} -o IdentitiesOnly=yes",
        "demo_keys": keys,
        "nvidia_sysfs_root": EMPTY_SYSFS,
    }
    GENERATED.write_text(NOTE + yaml.safe_dump({**connection, **conda_source(mirror)}), encoding="utf-8")


def known_hosts() -> list[Host]:
    """The hosts of the demo that is up."""
    if not HOSTS_FILE.exists():
        raise TestbedError("no demo is up; start it with: make demo")
    machines = yaml.safe_load(HOSTS_FILE.read_text(encoding="utf-8"))["cpu_servers"]["hosts"]
    identities = dict(line.split(" ", 1) for line in KNOWN_HOSTS.read_text(encoding="utf-8").splitlines())
    return [Host(name, entry["ansible_host"], identities[entry["ansible_host"]]) for name, entry in machines.items()]


def remove() -> None:
    """Remove the servers and all that `make demo` wrote."""
    remove_servers([container(release) for release in RELEASES])
    HOSTS_FILE.unlink(missing_ok=True)
    GENERATED.unlink(missing_ok=True)
    shutil.rmtree(WORK, ignore_errors=True)
