# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts in, plan out."""

from __future__ import annotations

import subprocess
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host.runner import RefusedError
from ansible_collections.openlab.research_server.plugins.module_utils._host.session import Session
from ansible_collections.openlab.research_server.plugins.module_utils._ssh import port as ssh_port
from ansible_collections.openlab.research_server.plugins.module_utils._ssh.plan import (
    MAIN,
    MODULI,
    Existing,
    Facts,
    Plan,
    Wishes,
    make_plan,
    setting,
)
from ansible_collections.openlab.research_server.plugins.module_utils._ssh.recovery import COMMAND

OWN = "/etc/ssh/sshd_config.d/00-research-server.conf"
OTHER = "/etc/ssh/sshd_config.d/50-cloud-init.conf"
RESTART = "/etc/systemd/system/ssh.service.d/50-research-server.conf"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl host"
STOCK = "Include /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\n"


def facts(ports: ssh_port.Ports | None = None, version: tuple[int, int] = (9, 2), **files: str) -> Facts:
    known = {
        path.replace("MAIN", MAIN).replace("OTHER", OTHER): Existing(text) for path, text in {"MAIN": STOCK, **files}.items()
    }
    return Facts(
        version=version,
        algorithms={"kex": ["a", "b"]},
        files=known,
        host_keys={"/etc/ssh/ssh_host_ed25519_key": KEY},
        ports=ports or ssh_port.Ports("ssh.service", (22,), inherits=True),
    )


def plan(known: Facts, wishes: t.Mapping[str, t.Any] | None = None, session: Session | None = None, **more: t.Any) -> Plan:
    settings = {"Port": [2222], "AllowGroups": ["ssh-users"], "HostKey": ["/etc/ssh/ssh_host_ed25519_key"], **(wishes or {})}
    return make_plan(known, Wishes(settings, **more), session)


def applied(known: Facts, made: Plan, told: tuple[int, ...] = (2222,)) -> Facts:
    """The facts of a host on which the plan has been carried out."""
    files = {
        **known.files,
        **{name: Existing(file.text, file.mode) for name, file in made.settled.items() if file.text is not None},
    }
    files = {name: file for name, file in files.items() if name not in made.settled or made.settled[name].text is not None}
    final = made.phases[1]
    ports = known.ports._replace(told=told, start=final.start or known.ports.start, own_start=final.start, sockets=final.sockets)
    return known._replace(files=files, ports=ports)


@pytest.mark.parametrize("port", [22, 922, 2222, 22022])
def test_what_has_been_applied_is_right(port: int) -> None:
    known = facts(OTHER="PasswordAuthentication yes\nPort 22\n", **{MODULI: "1 2 6 100 2047 2 f\n1 2 6 100 4095 2 f\n"})
    wishes = {"Port": [port], "PasswordAuthentication": False}
    first = plan(known, wishes)
    assert OWN in first.final and RESTART in first.final
    second = plan(applied(known, first, (port,)), wishes)
    assert second.final == {} and second.start is None and second.displaced == []


@pytest.mark.parametrize("wish", [{"AddressFamily": "inet"}, {"ListenAddress": ["192.0.2.1"]}, {"ListenAddress": ["0.0.0.0"]}])
def test_a_high_port_is_kept_on_all_addresses_or_not_at_all(wish: dict[str, t.Any]) -> None:
    with pytest.raises(RefusedError, match=r"found port 22022 on \S+ alone: any account"):
        plan(facts(), {"Port": [22022], **wish})
    # Up to there the kernel keeps it, on every address; and so it does where somebody else has told it to.
    assert plan(facts(), {"Port": [2999], **wish}).final
    raised = ssh_port.Ports("ssh.service", (22,), inherits=True, other_starts={"/etc/sysctl.d/a.conf:1": 30000})
    assert plan(facts(raised), {"Port": [22022], **wish}).final
    # A host without IPv6 has nothing else to listen on.
    if wish.get("ListenAddress") != ["192.0.2.1"]:
        assert plan(facts(ssh_port.Ports("ssh.service", (22,), inherits=True, ipv6=False)), {"Port": [22022], **wish}).final


def test_the_old_way_stays_open_until_the_new_one_has_been_used() -> None:
    made = plan(facts())
    assert "Port 2222\nPort 22\n" in str(made.staged[OWN].text)
    assert "Port 22\n" not in str(made.final[OWN].text)
    assert made.start == (1024, 2223)
    assert made.staged[ssh_port.SYSCTL] == made.final[ssh_port.SYSCTL]


def test_each_high_port_has_a_unit_of_its_own_and_the_old_one_goes_last() -> None:
    known = facts()
    made = plan(known, {"Port": [22022]})
    units = {name.rpartition("/")[2] for name in made.staged if name.endswith(".socket")}
    assert units == {"research-server-sshd-22022.socket", "research-server-sshd-22.socket"}
    assert [made.settled[f"/etc/systemd/system/{name}"].text is None for name in sorted(units)] == [True, False]
    assert "sshd-22.socket" in str(made.staged[ssh_port.WANTS].text)
    assert "sshd-22.socket" not in str(made.settled[ssh_port.WANTS].text)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", ["0.0.0.0", "[::]"]),
        ("AddressFamily inet\n", ["0.0.0.0"]),
        ("ListenAddress 192.0.2.1\nListenAddress ::1\n", ["192.0.2.1", "[::1]"]),
    ],
)
def test_systemd_listens_where_sshd_would(said: str, expected: list[str]) -> None:
    # The kernel keeps the port as well.
    raised = ssh_port.Ports("ssh.service", (22,), inherits=True, other_starts={"/etc/sysctl.d/a.conf:1": 30000})
    made = plan(facts(raised, OTHER=said), {"Port": [22022]})
    unit = str(made.final["/etc/systemd/system/research-server-sshd-22022.socket"].text)
    assert [line.rpartition(":")[0] for line in unit.splitlines() if line.startswith("ListenStream=")] == [
        f"ListenStream={address}" for address in expected
    ]


def test_lines_that_would_win_become_comments() -> None:
    made = plan(facts(OTHER="Port 22\nMatch User eve\n  Port 23\n"))
    assert [setting(line) for line in made.displaced] == [f"{OTHER}:1: port 22"]
    assert str(made.final[OTHER].text).splitlines()[0] == f"# Set in {OWN}: Port 22"


def test_an_include_is_added_where_there_is_none() -> None:
    made = plan(facts(MAIN="UsePAM yes\n"))
    assert made.final[MAIN].text == "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n"


@pytest.mark.parametrize("address", ["0.0.0.0:22", "[::]:22", "name.example:2222"])
def test_an_address_with_a_port_is_named(address: str) -> None:
    with pytest.raises(RefusedError, match=r"50-cloud-init.conf:1: listenaddress"):
        plan(facts(OTHER=f"ListenAddress {address}\n"))


def test_lines_about_who_gets_in_are_known() -> None:
    made = plan(facts(OTHER="AllowUsers ops\nDenyGroups guests\nAllowGroups wheel\n"))
    assert [line.keyword for line in made.access] == ["allowusers", "denygroups"]


@pytest.mark.parametrize(("generator", "expected"), [(True, True), (False, False)], ids=["systemd 256 and newer", "older"])
def test_sockets_that_systemd_makes_of_its_own_accord(generator: bool, expected: bool) -> None:
    known = facts(ssh_port.Ports("ssh.service", (22,), generator=generator))
    assert (ssh_port.NO_GENERATOR in plan(known).final) is expected


def test_the_firewall_goes_with_it() -> None:
    made = plan(facts()._replace(firewall=True))
    (path,) = [name for name in made.final if "firewall" in name]
    assert "{ 22, 2222 }" in str(made.staged[path].text) and "{ 2222 }" in str(made.final[path].text)


@pytest.mark.parametrize(("version", "exempt"), [((9, 7), None), ((9, 8), "192.0.2.0/24,198.51.100.7")])
def test_the_operator_is_never_penalised(version: tuple[int, int], exempt: str | None) -> None:
    made = plan(facts(version=version), session=Session(1000, "198.51.100.7", 22), penalty_exempt=["192.0.2.0/24"])
    found = [line for line in str(made.final[OWN].text).splitlines() if line.startswith("PerSource")]
    assert found == ([f"PerSourcePenaltyExemptList {exempt}"] if exempt else [])


@pytest.mark.parametrize(
    ("keys", "missing"),
    [
        ({"/etc/ssh/ssh_host_ed25519_key": KEY}, []),
        ({}, ["/etc/ssh/ssh_host_ed25519_key"]),
        ({"/etc/ssh/ssh_host_ed25519_key": "no key"}, []),
    ],
)
def test_host_keys_that_have_to_be_made(keys: dict[str, str], missing: list[str]) -> None:
    assert plan(facts()._replace(host_keys=keys)).missing_keys == missing


def test_no_port_at_all_is_refused() -> None:
    with pytest.raises(RefusedError, match="found no Port"):
        make_plan(facts(), Wishes({"AllowGroups": ["x"]}), None)


def test_an_older_override_of_the_distributions_socket_goes() -> None:
    old = "/etc/systemd/system/ssh.socket.d/zz-research-server.conf"
    known = facts(
        ssh_port.Ports("ssh.service", (2222,), inherits=True, sockets=("ssh.socket",), enabled=False), **{old: "[Socket]\n"}
    )
    made = plan(known)
    assert made.final[old].text is None and old not in made.staged


def test_the_command_for_the_console_is_roots_and_repaired() -> None:
    bare = facts()
    made = plan(bare)
    assert made.final[COMMAND].mode == 0o700
    subprocess.run(["sh", "-n"], input=made.final[COMMAND].text, text=True, check=True)
    there = applied(bare, made)
    assert COMMAND not in plan(there).final
    opened = there._replace(files={**there.files, COMMAND: there.files[COMMAND]._replace(mode=0o755)})
    assert plan(opened).final[COMMAND].mode == 0o700


@pytest.mark.parametrize(
    ("address", "refused"), [("mgmt.lab.example", True), ("192.0.2.5\t# mgmt", False), ("fe80::1%eth0", False)]
)
def test_an_address_by_name_is_refused(address: str, refused: bool) -> None:
    known = facts(OTHER=f"ListenAddress {address}\n")
    if refused:
        with pytest.raises(
            RefusedError, match=r"found a name in '/etc/ssh/sshd_config.d/50-cloud-init.conf:1: listenaddress mgmt"
        ):
            plan(known)
    else:
        plan(known)
