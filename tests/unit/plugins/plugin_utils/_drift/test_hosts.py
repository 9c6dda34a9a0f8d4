# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift import hosts, programs

PLAIN = ["a", "gpu-01.lab.example", "2001:db8::1", "::1", "web", "服务器-01", "_x"]
ODD = ["", "-i", "--yes", "!a", "&a", "@/etc/passwd", "~.*", "*", "gpu-0?", "[a]", "gpu[0:9]", "a,b", "a b", "a\n", "a;b", "$(x)"]


@pytest.mark.parametrize("names", [[name] for name in PLAIN] + [["a", "web"], ["::1", "a"]])
def test_a_limit_means_these_hosts_and_no_other(tmp_path: Path, names: list[str]) -> None:
    # A group has the name of a host: the host is meant.
    groups = {"web": {"hosts": {name: {} for name in [*PLAIN, "other"]}}, "rest": {"hosts": {"ab": {}, "a.b": {}}}}
    (tmp_path / "lab.yml").write_text(yaml.safe_dump({"all": {"children": groups}}))
    inventory = InventoryManager(loader=DataLoader(), sources=[str(tmp_path / "lab.yml")])
    inventory.subset(hosts.limit_to(names))
    assert {host.name for host in inventory.get_hosts()} == set(names)


@pytest.mark.parametrize("name", ODD)
def test_a_name_that_would_mean_something_else_is_refused(name: str) -> None:
    with pytest.raises(hosts.HostsError, match=r"expected letters, digits and '_.:-'"):
        hosts.limit_to(["a", name])


@pytest.fixture
def ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "ansible"
    program.write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/arguments\necho '  hosts (2):'\necho '    a'\necho '    b'\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(programs, "find", lambda name: str(tmp_path / name))
    return program


def test_the_inventory_is_asked_with_what_opens_its_vault_and_nothing_else(ansible: Path) -> None:
    extra = ["--forks", "3", "--vault-id", "lab@x", "--vault-pass-file=v", "-K", "-e", "x=1", "-J"]
    assert hosts.listed(["lab", "-more"], "gpu:!a", extra) == {"a", "b"}
    told = (ansible.parent / "arguments").read_text().splitlines()
    vault = ["--vault-password-file=v", "--vault-id=lab@x"]
    assert told == ["all", "--list-hosts", *vault, "--inventory=lab", "--inventory=-more", "--limit=gpu:!a"]


def test_an_inventory_that_cannot_be_read_is_told(ansible: Path) -> None:
    ansible.write_text("#!/bin/sh\necho '    a'\nexit 1\n")
    with pytest.raises(hosts.HostsError, match="see the message of ansible above"):
        hosts.listed([], None, [])
