# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files for the ssh client, read by the real ssh client."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._login import client_config as client

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr"
STAFF = frozenset({"ssh-users"})
COURIER = frozenset({"ssh-users", "couriers"})

DOOR = client.Server(
    name="login.lab.example",
    alias="login",
    hostname="192.0.2.1",
    port=2222,
    host_keys=[KEY],
    people={"ada": COURIER, "bob": STAFF, "ops": STAFF},
    jump_groups=frozenset({"couriers"}),
    agent_groups=frozenset({"couriers"}),
    shell_accounts=frozenset({"ops"}),
)
GPU = client.Server(
    name="gpu-01.lab.example",
    alias="gpu-01",
    hostname="10.0.0.5",
    port=2300,
    host_keys=[KEY],
    jump="login.lab.example",
    people={"ada": COURIER, "bob": STAFF, "ops": STAFF, "cleo": STAFF},
    agent_groups=frozenset({"couriers"}),
    jupyter={"ada": 20398},
)


def asked(text: str, host: str, folder: Path) -> dict[str, list[str]]:
    """What the real client makes of the file for one host."""
    path = folder / "ssh_config"
    path.write_text(text)
    done = subprocess.run(["ssh", "-F", str(path), "-G", host], check=True, capture_output=True, text=True)
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        keyword, _unused, value = line.partition(" ")
        found.setdefault(keyword, []).append(value)
    return found


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("login", {"hostname": "192.0.2.1", "port": "2222", "hostkeyalias": "login.lab.example", "forwardagent": "no"}),
        ("gpu-01", {"hostname": "10.0.0.5", "port": "2300", "proxyjump": "login", "forwardagent": "yes", "user": "ada"}),
        ("gpu-01.lab.example", {"hostname": "10.0.0.5", "proxyjump": "login", "identitiesonly": "yes"}),
        (
            "gpu-01-jupyter",
            {
                "hostname": "10.0.0.5",
                "hostkeyalias": "gpu-01.lab.example",
                "proxyjump": "login",
                "localforward": "[127.0.0.1]:20398 [127.0.0.1]:20398",
                "exitonforwardfailure": "yes",
                "sessiontype": "none",
                "requesttty": "false",
                "forwardagent": "no",
                "user": "ada",
            },
        ),
        ("login-jupyter", {"hostname": "login-jupyter"}),
        ("elsewhere", {"hostname": "elsewhere", "identitiesonly": "no"}),
    ],
)
def test_the_client_reads_what_is_meant(tmp_path: Path, host: str, expected: dict[str, str]) -> None:
    found = asked(client.ssh_config("ada", [DOOR, GPU], "our-lab"), host, tmp_path)
    assert {keyword: found.get(keyword, [""])[0] for keyword in expected} == expected
    if host in ("login", "gpu-01", "gpu-01-jupyter"):
        assert found["userknownhostsfile"] == [str(Path("~/.ssh/our-lab/known_hosts").expanduser())]
        assert found["stricthostkeychecking"] == ["true"]


def test_an_older_client_reads_it_too(tmp_path: Path) -> None:
    text = client.ssh_config("ada", [DOOR, GPU], "our-lab").replace("SessionType", "SessionTypo")
    assert asked(text, "gpu-01-jupyter", tmp_path)["requesttty"] == ["false"]


def test_whoever_may_not_forward_the_agent_does_not() -> None:
    text = client.ssh_config("bob", [GPU._replace(jump="")], "x")
    assert ("ForwardAgent no" in text, "ForwardAgent yes" in text, "-jupyter" in text) == (True, False, False)


@pytest.mark.parametrize(
    ("person", "servers", "reached", "says"),
    [
        ("ada", [DOOR, GPU], ["login", "gpu-01"], ""),
        ("ops", [DOOR, GPU], ["login", "gpu-01"], ""),
        ("bob", [DOOR, GPU], ["login"], "is in none of the sshd_jump_groups of login.lab.example"),
        ("cleo", [DOOR, GPU], [], "has no account on login.lab.example"),
        ("cleo", [GPU._replace(jump="")], ["gpu-01"], ""),
        ("bob", [DOOR._replace(jump_groups=None), GPU], ["login", "gpu-01"], ""),
        ("nobody", [DOOR, GPU], [], ""),
    ],
)
def test_only_what_can_be_reached_is_listed(person: str, servers: list[client.Server], reached: list[str], says: str) -> None:
    found, lost = client.reachable(person, servers)
    assert [server.alias for server in found] == reached
    assert (says in lost[0]) if says else lost == []


ANSWERED = DOOR._replace(accounts=frozenset({"root", *DOOR.people}), leads_to=frozenset({"10.0.0.5:2300", "x:22"}))


@pytest.mark.parametrize(
    ("servers", "told"),
    [
        ([DOOR, GPU], []),
        ([ANSWERED, GPU], []),
        (
            [ANSWERED._replace(accounts=frozenset({"root", "bob"})), GPU],
            ["login.lab.example has no account yet for ada, ops; apply the site to it first (-l login.lab.example)"],
        ),
        (
            [ANSWERED._replace(leads_to=frozenset({"none"})), GPU],
            ["login.lab.example does not lead to gpu-01.lab.example yet; apply the site to it first (-l login.lab.example)"],
        ),
        ([ANSWERED._replace(leads_to=frozenset({"none"})), GPU._replace(jump="")], []),
        (
            [ANSWERED, GPU._replace(hostname="2001:db8::5")],
            ["login.lab.example does not lead to gpu-01.lab.example yet; apply the site to it first (-l login.lab.example)"],
        ),
        ([ANSWERED._replace(leads_to=frozenset({"[2001:db8::5]:2300"})), GPU._replace(hostname="2001:db8::5")], []),
    ],
)
def test_what_a_server_has_not_learnt_yet_is_told(servers: list[client.Server], told: list[str]) -> None:
    assert client.outdated(servers) == told


def test_a_file_is_known_again() -> None:
    text = client.ssh_config("ada", [DOOR], "x")
    assert client.is_ours("ada", text)
    assert not client.is_ours("bob", text)
    assert not client.is_ours("ada", f"# mine\n{text}")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["gpu-01.lab.example", "login"], ["gpu-01", "login"]),
        (["a.one", "a.two", "b.two"], ["a.one", "a.two", "b"]),
        (["192.0.2.1", "2001:db8::1"], ["192.0.2.1", "2001:db8::1"]),
    ],
)
def test_names_are_short_where_that_is_enough(names: list[str], expected: list[str]) -> None:
    assert list(client.short_names(names).values()) == expected


@pytest.mark.parametrize(
    ("servers", "says"),
    [
        ([DOOR, GPU], ""),
        ([GPU], "reached through 'login.lab.example', which is not among the servers of this run"),
        ([DOOR, GPU._replace(alias="login")], "2 servers for the alias 'login'"),
        ([DOOR, DOOR._replace(name="x", alias="login-jupyter")], "2 servers for the alias 'login-jupyter'"),
        ([DOOR._replace(hostname="a b")], "found address 'a b'"),
        ([DOOR._replace(alias="*")], "found alias '*'"),
        ([DOOR._replace(hostname="-oProxyCommand=x")], "found address"),
        ([DOOR._replace(host_keys=[])], "found no host key"),
    ],
)
def test_problems_are_named(servers: list[client.Server], says: str) -> None:
    found = client.problems(servers)
    assert (says in found[0]) if says else found == []


def known(text: str, name: str, folder: Path) -> bool:
    path = folder / "known_hosts"
    path.write_text(text)
    return subprocess.run(["ssh-keygen", "-F", name, "-f", str(path)], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("login.lab.example", True),
        ("login", True),
        ("[192.0.2.1]:2222", True),
        ("[login.lab.example]:2222", True),
        ("192.0.2.1", False),
        ("gpu-01.lab.example", False),
        ("v6", True),
        ("2001:db8::1", True),
    ],
)
def test_identities_are_found_under_each_name(tmp_path: Path, name: str, expected: bool) -> None:
    second = DOOR._replace(name="v6", alias="v6", hostname="2001:db8::1", port=22)
    assert known(client.known_hosts([DOOR, second], 0), name, tmp_path) is expected


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("keys")
    found = {}
    for name in ("ca", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)], check=True)
        found[name] = (folder / f"{name}.pub").read_text().strip()
    for name, options in {
        "good": ["-h", "-n", "login.lab.example,other"],
        "other": ["-h", "-n", "other"],
        "nameless": ["-h"],
        "person": ["-n", "login.lab.example"],
        "expired": ["-h", "-n", "login.lab.example", "-V", "20200101:20200102"],
    }.items():
        command = ["ssh-keygen", "-q", "-s", str(folder / "ca"), "-I", name, *options, str(folder / "host.pub")]
        subprocess.run(command, check=True, capture_output=True)
        found[name] = (folder / "host-cert.pub").read_text().strip()
    return found


@pytest.mark.parametrize("kind", ["good", "other", "nameless", "person", "expired", "damaged"])
def test_an_authority_replaces_the_key_that_it_vouches_for(certificates: dict[str, str], kind: str) -> None:
    shown: t.Any = [certificates.get(kind, "ssh-ed25519-cert-v01@openssh.com AAAA")]
    server = DOOR._replace(host_keys=[certificates["host"], KEY], host_certificates=shown)
    lines = client.known_hosts([server], 1_700_000_000).splitlines()
    names = "login.lab.example,login,[login.lab.example]:2222,[192.0.2.1]:2222"
    plain = [f"{names} {certificates['host']}", f"{names} {KEY}"]
    assert lines == ([f"@cert-authority {names} {certificates['ca']}", plain[1]] if kind == "good" else plain)


@pytest.mark.parametrize(
    "line",
    [
        "no key at all",
        f"{KEY}\n@cert-authority * {KEY}",
        f'command="x" {KEY}',
        f"@cert-authority {KEY}",
    ],
)
def test_a_server_cannot_say_who_other_servers_are(line: str) -> None:
    """What it sends becomes a line of everybody's known_hosts."""
    (told,) = client.problems([GPU._replace(host_keys=[line]), DOOR])
    assert told.startswith("gpu-01.lab.example: found a host key that is none: ")


def test_a_host_key_is_written_as_it_was_understood() -> None:
    written = client.known_hosts([DOOR._replace(host_keys=[f"  {KEY}   ops@lab "])], 0.0)
    assert written == f"login.lab.example,login,[login.lab.example]:2222,[192.0.2.1]:2222 {KEY} ops@lab\n"


def test_a_tunnel_leads_to_a_socket_where_jupyterlab_listens_there(tmp_path: Path) -> None:
    text = client.ssh_config("ada", [GPU._replace(jump="", jupyter_sockets=True)], "x")
    assert asked(text, "gpu-01-jupyter", tmp_path)["localforward"] == ["[127.0.0.1]:20398 /run/lab-jupyter/ada.sock"]
