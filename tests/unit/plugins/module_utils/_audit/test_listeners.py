# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit.declared import Declared
from ansible_collections.openlab.research_server.plugins.module_utils._audit.finding import Finding
from ansible_collections.openlab.research_server.plugins.module_utils._audit.host import Host
from ansible_collections.openlab.research_server.plugins.module_utils._audit.listeners import (
    TOPIC,
    find,
    foreign_options,
    packaged,
    unit_of,
)

PASSWD = """\
root:x:0:0::/root:/bin/bash
_chrony:x:101:101::/var/lib/chrony:/usr/sbin/nologin
alice:x:1001:1001::/home/alice:/bin/bash
bob:x:1002:1002::/data/bob:/bin/bash
"""
UNITS = ("ssh.service", "cron.service", "nginx.service", "docker.service", "rpcbind.socket", "ifup@.service")
PROGRAMS = (
    *("/usr/sbin/sshd", "/usr/sbin/nginx", "/usr/bin/python3.11", "/usr/bin/socat", "/usr/bin/docker-proxy", "/usr/sbin/dockerd"),
    *(
        "/usr/sbin/dhclient",
        "/usr/lib/systemd/systemd-resolved",
        "/usr/lib/systemd/systemd",
        "/usr/sbin/chronyd",
        "/usr/bin/ping",
    ),
)
DECLARED = Declared(sshd_ports=(22,), jupyter_ports=(9001,), open_ports=("8443/tcp", "60000-61000/udp"))
TITLE = "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"


class World:
    """A host of files, as the kernel would show it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tables: dict[str, list[str]] = {}
        self.calls: list[tuple[str, ...]] = []
        self.sockets = ""
        self.inode = 1000
        for path, text in {
            "etc/passwd": PASSWD,
            "etc/lab-jupyter.json": json.dumps({"ports": {"alice": 9001}}),
            "usr/bin/dpkg-query": "",
            "usr/bin/systemctl": "",
            **{path.lstrip("/"): "" for path in PROGRAMS},
        }.items():
            self.write(path, text)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def process(self, pid: int, exe: str, uid: int = 0, line: str = "", *, unit: str = "", age: int = 5) -> None:
        folder = self.root / f"proc/{pid}"
        (folder / "fd").mkdir(parents=True)
        (folder / "exe").symlink_to(exe)
        self.write(f"proc/{pid}/status", f"Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
        self.write(f"proc/{pid}/cmdline", (line or exe).replace(" ", "\0") if not line.startswith("sshd: ") else f"{line}\0")
        self.write(f"proc/{pid}/stat", f"{pid} (x) (y) S {'0 ' * 18}{age} 0")
        self.write(f"proc/{pid}/cgroup", f"0::{unit}\n")

    def listen(
        self, protocol: str, address: str, port: int, uid: int, *pids: int, state: str = "", inode: int | None = None
    ) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        packed = socket.inet_pton(family, address)
        digits = "".join(packed[start : start + 4][::-1].hex() for start in range(0, len(packed), 4)).upper()
        state = state or ("0A" if protocol.startswith("tcp") else "07")
        self.inode += 1
        number = self.inode if inode is None else inode
        line = f"0: {digits}:{port:04X} {digits}:0000 {state} 00000000:00000000 00:00000000 00000000 {uid} 0 {number} 2 0 0"
        self.tables.setdefault(protocol, ["  sl  local_address rem_address   st"]).append(line)
        self.write(f"proc/net/{protocol}", "\n".join(self.tables[protocol]) + "\n")
        for pid in pids:
            (self.root / f"proc/{pid}/fd/{self.inode}").symlink_to(f"socket:[{number}]")

    def attempt(self, *argv: str) -> tuple[int, str, str]:
        self.calls.append(argv)
        if argv[0].endswith("systemctl"):
            return 0, self.sockets, ""
        known = {*PROGRAMS, *(f"/lib/systemd/system/{unit}" for unit in UNITS)}
        return 1, "".join(f"pkg: {path}\n" for path in argv if path in known), "no path found"

    def find(self, declared: Declared = DECLARED) -> list[Finding]:
        return list(find(Host(self.attempt, root=str(self.root)), declared))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


SSH = "/system.slice/ssh.service"
HERS = "/user.slice/user-1001.slice/session-7.scope"
# (protocol, address, port, uid of the socket, program, uid of the process, command line, control group)
LEGITIMATE = {
    "sshd": ("tcp", "0.0.0.0", 22, 0, "/usr/sbin/sshd", 0, TITLE, SSH),
    "sshd on IPv6": ("tcp6", "::", 22, 0, "/usr/sbin/sshd", 0, TITLE, SSH),
    "sshd in a container without systemd": ("tcp", "0.0.0.0", 22, 0, "/usr/sbin/sshd", 0, "/usr/sbin/sshd -D -e", "/"),
    "sshd in a container of the host's cgroups": ("tcp", "0.0.0.0", 22, 0, "/usr/sbin/sshd", 0, TITLE, "/docker/abc" + SSH),
    "her JupyterLab": (
        "tcp",
        "127.0.0.1",
        9001,
        0,
        "/opt/c/bin/python3.12",
        1001,
        "",
        "/user.slice/user-1001.slice/jupyter@alice.service",
    ),
    "a notebook on loopback": ("tcp", "127.0.0.1", 8888, 1001, "/home/alice/env/bin/python3.12", 1001, "jupyter-lab", HERS),
    "on ::1": ("tcp6", "::1", 8888, 1001, "/usr/bin/python3.11", 1001, "", HERS),
    "X11 over sshd": ("tcp", "127.0.0.1", 6010, 1001, "/usr/sbin/sshd", 1001, "sshd: alice@pts/0", HERS),
    "what the firewall lets in": ("tcp", "0.0.0.0", 8443, 1001, "/usr/bin/python3.11", 1001, "", HERS),
    "mosh": ("udp", "0.0.0.0", 60999, 1001, "/usr/bin/mosh-server", 1001, "", HERS),
    "her browser asks": ("udp", "0.0.0.0", 40000, 1001, "/usr/bin/firefox", 1001, "", HERS),
    "DHCP": ("udp", "0.0.0.0", 68, 0, "/usr/sbin/dhclient", 0, "", "/system.slice/system-ifup.slice/ifup@eth0.service"),
    "LLMNR": (
        "tcp",
        "0.0.0.0",
        5355,
        996,
        "/usr/lib/systemd/systemd-resolved",
        996,
        "",
        "/system.slice/systemd-resolved.service",
    ),
    "chrony as another account": ("udp", "127.0.0.1", 323, 0, "/usr/sbin/chronyd", 101, "", "/system.slice/nginx.service"),
    "chrony asks": ("udp", "0.0.0.0", 50000, 101, "/usr/sbin/chronyd", 101, "", "/system.slice/chrony.service"),
    "a service on loopback": ("tcp", "127.0.0.1", 80, 0, "/usr/sbin/nginx", 0, "", "/system.slice/nginx.service"),
    "the same without systemd": ("tcp", "127.0.0.1", 80, 0, "/usr/sbin/nginx", 0, "", "/"),
    "the same before it was restarted": (
        "tcp",
        "127.0.0.1",
        80,
        0,
        "/usr/sbin/nginx (deleted)",
        0,
        "",
        "/system.slice/nginx.service",
    ),
    "Docker for a container": ("tcp", "0.0.0.0", 8080, 0, "/usr/bin/docker-proxy", 0, "", "/system.slice/docker.service"),
    "ping": ("raw", "0.0.0.0", 1, 1001, "/usr/bin/ping", 1001, "", HERS),
}
ERROR, WARNING = "error", "warning"
# The same, and what is said of it: severity, name, and a part of the rest.
FOUND = {
    "a notebook for everybody": (
        (
            "tcp",
            "0.0.0.0",
            8888,
            1001,
            "/home/alice/env/bin/python3.12",
            1001,
            "python3 /home/alice/env/bin/jupyter-lab --ip=*",
            HERS,
        ),
        (WARNING, "tcp 0.0.0.0:8888 jupyter of alice", "a JupyterLab that its owner started"),
    ),
    "on IPv6": (
        ("tcp6", "::", 8000, 1002, "/usr/bin/python3.11", 1002, "", HERS),
        (WARNING, "tcp6 [::]:8000 python3.11 of bob", "firewall_allow: [{port: 8000}]"),
    ),
    "UDP": (
        ("udp", "192.0.2.7", 5000, 1002, "/usr/bin/python3.11", 1002, "", HERS),
        (WARNING, "udp 192.0.2.7:5000 python3.11 of bob", "firewall_allow: [{port: 5000, protocol: udp}]"),
    ),
    "on a port of the kernel's choice": (
        ("tcp", "0.0.0.0", 43210, 1002, "/usr/bin/python3.11", 1002, "", HERS),
        (WARNING, "tcp 0.0.0.0:ephemeral python3.11 of bob", "0.0.0.0:43210"),
    ),
    "of a subordinate number": (
        ("tcp", "0.0.0.0", 8000, 100999, "/app", 100999, "", HERS),
        (WARNING, "tcp 0.0.0.0:8000 app of uid 100999", "127.0.0.1"),
    ),
    "root's tool on loopback": (
        ("tcp", "127.0.0.1", 4444, 0, "/usr/bin/python3.11", 0, "", "/user.slice/user-0.slice/session-1.scope"),
        (ERROR, "tcp 127.0.0.1:4444 python3.11 of root", "kill 300"),
    ),
    "the same without systemd": (
        ("tcp", "127.0.0.1", 4444, 0, "/usr/bin/socat", 0, "", "/"),
        (ERROR, "tcp 127.0.0.1:4444 socat of root", "kill 300"),
    ),
    "a unit of its own": (
        ("tcp", "127.0.0.1", 4444, 0, "/usr/bin/socat", 0, "", "/system.slice/evil.service"),
        (ERROR, "tcp 127.0.0.1:4444 socat of root", "systemctl disable --now evil.service"),
    ),
    "root asks nobody": (
        ("udp", "0.0.0.0", 40000, 0, "/usr/bin/socat", 0, "", "/system.slice/evil.service"),
        (ERROR, "udp 0.0.0.0:ephemeral socat of root", "0.0.0.0:40000"),
    ),
    "a service for everybody": (
        ("tcp", "0.0.0.0", 80, 0, "/usr/sbin/nginx", 0, "", "/system.slice/nginx.service"),
        (WARNING, "tcp 0.0.0.0:80 nginx of root", "systemctl disable --now nginx.service"),
    ),
    "Docker's own port": (
        ("tcp", "127.0.0.1", 2375, 0, "/usr/sbin/dockerd", 0, "", "/system.slice/docker.service"),
        (ERROR, "tcp 127.0.0.1:2375 dockerd of root", "docker.service"),
    ),
    "from a folder of everybody": (
        ("tcp", "0.0.0.0", 8443, 0, "/tmp/x", 0, "", "/system.slice/evil.service"),
        (ERROR, "tcp 0.0.0.0:8443 x of root", "others can write"),
    ),
    "from a home": (
        ("tcp", "127.0.0.1", 5000, 0, "/data/bob/tool", 0, "", "/system.slice/evil.service"),
        (ERROR, "tcp 127.0.0.1:5000 tool of root", "others can write"),
    ),
    "deleted": (
        ("tcp", "127.0.0.1", 5000, 0, "/usr/sbin/gone (deleted)", 0, "", "/system.slice/nginx.service"),
        (ERROR, "tcp 127.0.0.1:5000 gone of root", "has been deleted"),
    ),
    "in no file at all": (
        ("tcp", "127.0.0.1", 5000, 0, "/memfd:x (deleted)", 0, "", "/system.slice/nginx.service"),
        (ERROR, "tcp 127.0.0.1:5000 memfd:x of root", "has been deleted"),
    ),
    "sshd on another port": (
        ("tcp", "0.0.0.0", 2222, 0, "/usr/sbin/sshd", 0, TITLE, SSH),
        (ERROR, "tcp 0.0.0.0:2222 sshd of root", "sshd_port: 2222"),
    ),
    "sshd with another file": (
        ("tcp", "0.0.0.0", 22, 0, "/usr/sbin/sshd", 0, "sshd: /usr/sbin/sshd -f /root/x [listener] 0 of 10-100 startups", SSH),
        (ERROR, "tcp 0.0.0.0:22 sshd of root", "'-f /root/x'"),
    ),
    "sshd of another package": (
        ("tcp", "0.0.0.0", 22, 0, "/opt/x/sshd", 0, TITLE, SSH),
        (ERROR, "tcp 0.0.0.0:22 sshd of root", "not the package's"),
    ),
    "sshd from before": (
        ("tcp", "0.0.0.0", 22, 0, "/usr/sbin/sshd (deleted)", 0, TITLE, SSH),
        (ERROR, "tcp 0.0.0.0:22 sshd of root", "replaced since"),
    ),
    "sshd by hand, on a port of the kernel's range": (
        ("tcp", "127.0.0.1", 40022, 0, "/usr/sbin/sshd", 0, TITLE, "/user.slice/user-0.slice/session-1.scope"),
        (ERROR, "tcp 127.0.0.1:40022 sshd of root", "started by session-1.scope"),
    ),
    "on somebody's JupyterLab": (
        ("tcp", "127.0.0.1", 9001, 1002, "/usr/bin/python3.11", 1002, "", HERS),
        (ERROR, "tcp 127.0.0.1:9001 python3.11 of bob", "jupyter@alice.service"),
    ),
    "on it, as root": (
        ("tcp", "127.0.0.1", 9001, 0, "/usr/sbin/nginx", 0, "", "/system.slice/nginx.service"),
        (ERROR, "tcp 127.0.0.1:9001 nginx of root", "JupyterLab of alice"),
    ),
    "a raw socket of a tool": (
        ("raw", "0.0.0.0", 6, 0, "/usr/bin/python3.11", 0, "", "/system.slice/evil.service"),
        (ERROR, "raw 0.0.0.0:6 python3.11 of root", "packets"),
    ),
    "a name with line ends": (
        ("tcp", "0.0.0.0", 8000, 1002, "/home/x\ny", 1002, "", HERS),
        (WARNING, r"tcp 0.0.0.0:8000 x\ny of bob", r"/home/x\ny"),
    ),
}


def put(world: World, case: tuple[str, str, int, int, str, int, str, str]) -> None:
    protocol, address, port, uid, exe, process, line, unit = case
    world.process(300, exe, process, line, unit=unit)
    world.listen(protocol, address, port, uid, 300)


@pytest.mark.parametrize("name", LEGITIMATE)
def test_everyday_life_is_no_finding(world: World, name: str) -> None:
    put(world, LEGITIMATE[name])
    assert world.find() == []


@pytest.mark.parametrize("name", FOUND)
def test_what_nobody_declared_is_named(world: World, name: str) -> None:
    case, (severity, title, part) = FOUND[name]
    put(world, case)
    (finding,) = world.find()
    assert (finding.topic, finding.severity, finding.name) == (TOPIC, severity, title)
    assert part in f"{finding.found} {finding.expected} {finding.way_out}"
    assert finding.found
    assert finding.expected
    assert finding.way_out
    assert "\n" not in finding.found + finding.way_out


@pytest.mark.parametrize(("protocol", "address", "port"), [("tcp", "127.0.0.11", 38613), ("udp", "127.0.0.11", 52040)])
def test_the_resolver_of_docker_is_outside(world: World, protocol: str, address: str, port: int) -> None:
    world.listen(protocol, address, port, 0)
    assert [finding.topic for finding in world.find()] == [TOPIC]
    world.write(".dockerenv", "")
    assert world.find() == []


def test_who_is_inside_or_elsewhere_is_not_the_resolver_of_docker(world: World) -> None:
    world.write(".dockerenv", "")
    world.process(300, "/usr/bin/socat", 0, unit="/system.slice/evil.service")
    world.listen("tcp", "127.0.0.11", 4444, 0, 300)
    world.listen("tcp", "127.0.0.12", 4445, 0)
    assert [finding.name.partition(" ")[2].split()[0] for finding in world.find()] == ["127.0.0.11:4444", "127.0.0.12:4445"]


def test_who_speaks_with_somebody_does_not_listen(world: World) -> None:
    world.process(300, "/usr/bin/python3.11", 1002)
    world.listen("tcp", "192.0.2.7", 4444, 1002, 300, state="01")
    world.listen("udp", "192.0.2.7", 4444, 1002, 300, state="01")
    assert world.find() == []


def test_without_sshd_role_its_port_is_its_own_business(world: World) -> None:
    put(world, ("tcp", "0.0.0.0", 2222, 0, "/usr/sbin/sshd", 0, TITLE, SSH))
    assert world.find(Declared()) == []


def test_the_name_is_that_of_the_oldest_process_that_has_it(world: World) -> None:
    world.process(200, "/usr/bin/sleep", 0, age=9)
    world.process(300, "/usr/bin/socat", 0, unit="/system.slice/evil.service", age=1)
    world.listen("tcp", "0.0.0.0", 4444, 0, 200, 300)
    assert [finding.name for finding in world.find()] == ["tcp 0.0.0.0:4444 socat of root"]


def test_a_socket_may_be_held_by_somebody_else_than_its_maker(world: World) -> None:
    world.process(300, "/usr/bin/python3.11", 1002, unit=HERS)
    world.listen("tcp", "0.0.0.0", 81, 0, 300)
    assert [finding.name for finding in world.find()] == ["tcp 0.0.0.0:81 python3.11 of root"]


def test_several_sockets_of_the_kernel_have_no_process_and_no_number(world: World) -> None:
    world.listen("tcp", "0.0.0.0", 2049, 0, inode=0)
    world.listen("tcp", "0.0.0.0", 2050, 0, inode=0)
    found = world.find()
    assert [finding.name for finding in found] == ["tcp 0.0.0.0:2049 a program of root", "tcp 0.0.0.0:2050 a program of root"]
    assert "NFS" in found[0].way_out


SYSTEMD = "/usr/lib/systemd/systemd"


@pytest.mark.parametrize(
    ("address", "port", "unit", "expected"),
    [
        ("0.0.0.0", 22, "ssh.socket", []),
        ("0.0.0.0", 2222, "ssh.socket", [(ERROR, "sshd_port: 2222")]),
        ("127.0.0.1", 111, "rpcbind.socket", []),
        ("0.0.0.0", 111, "rpcbind.socket", [(WARNING, "systemctl disable --now rpcbind.socket")]),
        ("127.0.0.1", 4444, "evil.socket", [(ERROR, "systemctl disable --now evil.socket")]),
        ("0.0.0.0", 22, "evil.socket", [(ERROR, "systemctl disable --now evil.socket")]),
        ("127.0.0.1", 4444, "", [(ERROR, "list-sockets")]),
    ],
)
def test_systemd_listens_for_a_unit(world: World, address: str, port: int, unit: str, expected: list[tuple[str, str]]) -> None:
    world.sockets = f"{address}:{port} {unit} x.service\n/run/x {unit} x.service\n" if unit else "0 sockets listed.\n"
    world.process(1, SYSTEMD, 0, unit="/init.scope")
    world.listen("tcp", address, port, 0, 1)
    found = world.find()
    assert [(item.severity, part in item.way_out) for item, (_severity, part) in zip(found, expected, strict=True)] == [
        (severity, True) for severity, _part in expected
    ]


def test_a_unit_that_takes_the_place_of_a_packages_is_not_the_packages(world: World) -> None:
    put(world, LEGITIMATE["a service on loopback"])
    world.write("etc/systemd/system/nginx.service", "[Service]\n")
    assert [finding.severity for finding in world.find()] == [ERROR]


def test_a_packages_script_of_init_has_a_unit_that_systemd_makes(world: World) -> None:
    world.write("run/systemd/generator.late/exim4.service", "[Service]\n")
    put(world, ("tcp", "127.0.0.1", 25, 0, "/usr/sbin/nginx", 0, "", "/system.slice/exim4.service"))
    assert world.find() == []


@pytest.mark.parametrize("line", ["sshd: /usr/sbin/sshd -f x -p 2222 [listener] 0 of 10-100 startups"])
def test_an_sshd_of_a_person_is_found_also_on_loopback(world: World, line: str) -> None:
    put(world, ("tcp", "127.0.0.1", 2222, 1001, "/usr/sbin/sshd", 1001, line, HERS))
    (finding,) = world.find()
    assert (finding.severity, finding.name, finding.way_out) == (ERROR, "sshd of alice", "kill 300")
    assert "-p 2222" in finding.found


def test_packages_are_asked_once_and_only_for_what_needs_it(world: World) -> None:
    put(world, LEGITIMATE["a notebook on loopback"])
    assert world.find() == []
    assert world.calls == []
    world.process(400, "/usr/bin/socat", 0)
    for port in range(4000, 4010):
        world.listen("tcp", "0.0.0.0", port, 0, 400)
    assert len(world.find()) == 10
    assert [call[0] for call in world.calls] == ["/usr/bin/dpkg-query"]


def test_a_pattern_that_dpkg_understands_is_no_package(world: World) -> None:
    def attempt(*_argv: str) -> tuple[int, str, str]:
        return 0, "openssh-server: /usr/sbin/sshd\n", ""

    host = Host(attempt, root=str(world.root))
    assert packaged(host, {"/usr/sbin/ss*"}) == frozenset()
    assert packaged(host, {"/sbin/sshd"}) == {"/sbin/sshd"}


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("0::/system.slice/ssh.service\n", "ssh.service"),
        ("0::/user.slice/user-1001.slice/user@1001.service/app.slice/lab.service\n", "lab.service"),
        ("12:pids:/x.scope\n1:name=systemd:/system.slice/cron.service\n0::/\n", "cron.service"),
        ("0::/init.scope\n", "init.scope"),
        ("0::/\n", ""),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_the_unit_is_in_the_control_group(text: str, unit: str) -> None:
    assert unit_of(text) == unit


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("/usr/sbin/sshd", "-D"), []),
        ((TITLE,), []),
        (("sshd: /usr/sbin/sshd -D -oPort=22 [listener] 0 of 10-100 startups",), ["-oPort=22"]),
        (("/usr/sbin/sshd", "-D", "-p", "2222"), ["-p", "2222"]),
    ],
)
def test_options_of_sshd(arguments: tuple[str, ...], options: list[str]) -> None:
    assert foreign_options(arguments) == options


@pytest.mark.parametrize("what", ["nothing", "link", "fifo", "bytes", "json", "passwd"])
def test_hostile_files_do_not_stop_it(world: World, what: str) -> None:
    put(world, FOUND["on IPv6"][0])
    ports = world.root / "etc/lab-jupyter.json"
    if what == "link":
        ports.unlink()
        ports.symlink_to("/dev/zero")
    elif what == "fifo":
        ports.unlink()
        os.mkfifo(ports)
    elif what == "bytes":
        (world.root / "proc/300/cmdline").write_bytes(b"\xff\xfe\0jupyter-\xff" * 1000)
    elif what == "json":
        ports.write_text('[1, {"a": []}]')
    elif what == "passwd":
        (world.root / "etc/passwd").write_bytes(b"\xff\n")
    names = [finding.name for finding in world.find()]
    assert names == [f"tcp6 [::]:8000 python3.11 of {'uid 1002' if what == 'passwd' else 'bob'}"]


def test_a_host_without_anything(tmp_path: Path) -> None:
    def attempt(*_argv: str) -> tuple[int, str, str]:
        raise AssertionError("nothing is to be asked")

    assert list(find(Host(attempt, root=str(tmp_path)), DECLARED)) == []


@pytest.mark.parametrize(
    ("exe", "uid", "unit", "told"),
    [
        ("/usr/bin/python3.11", 0, "/system.slice/run-u1.service", True),
        ("/usr/local/bin/door", 0, "/system.slice/door.service", True),
        ("/usr/sbin/sshd", 0, SSH, False),
        ("/usr/bin/python3.11", 1001, HERS, False),
    ],
)
def test_sockets_without_a_file(world: World, exe: str, uid: int, unit: str, told: bool) -> None:
    world.process(77, exe, uid, unit=unit)
    world.write("proc/net/unix", "Num RefCount Protocol Flags Type St Inode Path\n0: 2 0 00010000 0001 01 4242 @door\n")
    (world.root / "proc/77/fd/3").symlink_to("socket:[4242]")
    assert [finding.name for finding in world.find()] == ([f"unix @door {exe.rpartition('/')[2]} of root"] if told else [])
