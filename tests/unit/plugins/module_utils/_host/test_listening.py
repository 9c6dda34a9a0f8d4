# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host import listening
from ansible_collections.openlab.research_server.plugins.module_utils._host.listening import Holder, Listener

TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:08AE 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000 100 0 0 10 0
   1: 0100007F:61A3 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1002        0 4712 1 0000 100 0 0 10 0
   2: 0100007F:08AE 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000 20 4 30 10 -1
"""
TCP6 = """  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000001000000:08AE 00000000000000000000000000000000:0000 0A 00000000:00000000 00:0 0  1003 0 4714 1
   1: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:0 0     0 0 4715 1
"""


@pytest.mark.skipif(os.sys.byteorder != "little", reason="the tables were written down on such a machine")
def test_only_who_listens_counts() -> None:
    assert listening.parse([TCP, TCP6]) == [
        Listener("0.0.0.0", 2222, 0, 4711),
        Listener("127.0.0.1", 24995, 1002, 4712),
        Listener("::1", 2222, 1003, 4714),
        Listener("127.0.0.1", 8080, 0, 4715),
    ]


def test_a_socket_file_that_nobody_listens_on_does_not_count(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("a door", "connected", "left")]
    with contextlib.ExitStack() as stack:
        door, other, left = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _path in paths)
        for one, path in zip((door, other, left), paths, strict=True):
            one.bind(path)
        door.listen()
        left.listen()
        left.close()
        inode = os.fstat(door.fileno()).st_ino
        found = listening.read_unix()
        assert found[inode] == paths[0] and not set(paths[1:]) & set(found.values())
        assert inode in listening.inodes(os.getpid())


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ("00000000000000000000000000000001 01 80 10 80       lo\n", True),
        ("fe800000000000000000000000000001 02 40 20 80     eth0\n", False),
        ("", False),
        (None, False),
    ],
)
def test_there_may_be_no_address_of_ipv6(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str | None, found: bool) -> None:
    monkeypatch.setattr(listening, "ADDRESSES6", str(tmp_path / "if_inet6"))
    if table is not None:
        (tmp_path / "if_inet6").write_text(table)
    assert listening.has_loopback6() == found


def test_this_process_is_found_by_its_program() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        (found,) = listening.read([port])
        assert (found.address, found.port, found.uid) == ("127.0.0.1", port, os.getuid())
        (holder,) = listening.holders([found])[found.inode]
        assert (holder.pid, holder.uid) == (os.getpid(), os.getuid())
        assert holder.program == os.path.basename(os.readlink("/proc/self/exe"))


def test_nobody_is_looked_through_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has millions of files open, or shares them among thousands of processes, would keep the run busy."""
    with contextlib.ExitStack() as stack:
        doors = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _number in range(20)]
        assert len(listening.inodes(os.getpid())) >= len(doors)
        monkeypatch.setattr(listening, "LINKS", 5)
        assert len(listening.inodes(os.getpid())) <= 5
        monkeypatch.setattr(listening, "SECONDS", -1.0)
        assert listening.holders(listening.read([doors[0].getsockname()[1]])) != {}


def test_only_who_made_the_socket_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    monkeypatch.setattr(listening, "inodes", lambda pid: looked.append(pid) or set())
    assert listening.holders_of({1: 4000000000}) == {1: []}
    assert looked == []
    listening.holders_of({1: os.getuid()})
    assert os.getpid() in looked


@pytest.mark.parametrize(
    ("address", "by", "text"),
    [
        ("::", [Holder(7, "nc", 5), Holder(7, "nc", 5)], "nc (process 7) of uid 4000000000 on [::]:80"),
        ("0.0.0.0", [], "a program of uid 4000000000 on 0.0.0.0:80"),
        ("127.0.0.1", [Holder(9, "b", 5), Holder(7, "a", 5)], "a (process 7), b (process 9) of uid 4000000000 on 127.0.0.1:80"),
    ],
)
def test_for_a_message(address: str, by: list[Holder], text: str) -> None:
    assert listening.describe(Listener(address, 80, 4000000000, 1), by) == text


# Recorded on x86_64: sshd and a JupyterLab listen, a connection is established.
RECORDED = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:4EEF 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 5012 1 0000000000000000 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   2: 0100007F:4EEF 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 6001 1 0000000000000000 20 4 30 10 -1
"""
RECORDED6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000000000000000 100 0 0 10 0
   1: 00000000000000000000000001000000:4EEF 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 5013 1 0000000000000000 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 5014 1 0000000000000000 100 0 0 10 0
"""


def parse_listeners(table: str) -> dict[str, tuple[str, int, int]]:
    return {str(found.inode): (found.address, found.port, found.uid) for found in listening.parse([table])}


def test_parse_listeners_reads_the_kernels_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_listeners(RECORDED) == {"5012": ("127.0.0.1", 20207, 1000), "4711": ("0.0.0.0", 22, 0)}
    assert parse_listeners(RECORDED6) == {"4713": ("::", 22, 0), "5013": ("::1", 20207, 1000), "5014": ("127.0.0.1", 8080, 1000)}
    assert parse_listeners("") == {}
