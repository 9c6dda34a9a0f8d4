# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._login import endpoint, reach
from ansible_collections.openlab.research_server.plugins.plugin_utils._login.reach import (
    answer_or_reload,
    first_answer,
    pinned_name,
    read_banner,
    read_client,
)


@contextlib.contextmanager
def server(answer: bytes | None) -> Iterator[int]:
    """A server that says one thing to one client; None: it keeps silent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def serve() -> None:
            with contextlib.suppress(OSError):
                client, _address = listener.accept()
                with client:
                    if answer is None:
                        done.wait(10)
                    else:
                        client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"Welcome\r\nto the lab\r\nSSH-2.0-x\r\n"])
def test_an_ssh_server_is_recognised(answer: bytes) -> None:
    with server(answer) as port:
        read_banner("127.0.0.1", port, 5)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 400\r\n\r\n", "closed without"),
        (b"", "closed without"),
        (b"x\r\n" * 4000, "not an SSH server"),
        (None, "no SSH banner within"),
    ],
)
def test_anything_else_is_not(answer: bytes | None, says: str) -> None:
    with server(answer) as port, pytest.raises(OSError, match=says):
        read_banner("127.0.0.1", port, 0.3)


def test_a_closed_port_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        read_banner("127.0.0.1", port, 1)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


INTRODUCTION = b"SSH-2.0-x\r\n"


def test_a_port_that_is_silent_or_closed_does_not_hold_up_the_next() -> None:
    closed = closed_port()
    with server(None) as silent, server(INTRODUCTION) as port:
        # The silent one has an hour.
        assert first_answer("127.0.0.1", [silent, closed, port], 3600) == (port, {closed: "Connection refused"})


def test_the_preferred_port_is_the_only_one_that_sees_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "HEAD_START_SECONDS", 60)
    with server(INTRODUCTION) as port, socket.create_server(("127.0.0.1", 0)) as other:
        assert first_answer("127.0.0.1", [port, other.getsockname()[1]], 5) == (port, {})
        other.settimeout(0.1)
        with pytest.raises(TimeoutError):
            other.accept()


def test_each_port_that_does_not_answer_says_why() -> None:
    closed = closed_port()
    with server(b"") as wrong:
        port, failures = first_answer("127.0.0.1", [wrong, closed], 5)
    assert port is None
    assert list(failures) == [wrong, closed]
    assert "closed without an SSH banner" in failures[wrong] and failures[closed] == "Connection refused"


def test_a_server_that_reloads_is_asked_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [(None, {22: "Connection refused"}), (22, {})]
    monkeypatch.setattr(reach, "first_answer", lambda *_arguments: told.pop(0))
    monkeypatch.setattr(reach, "RELOAD_SECONDS", 0)
    assert answer_or_reload("gpu-01", [22], 5) == (22, {})
    # Nobody waits for one that is off.
    told[:] = [(None, {22: "No route to host"}), (22, {})]
    assert answer_or_reload("gpu-01", [22], 5) == (None, {22: "No route to host"})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-F", "/dev/null"], endpoint.Client("gpu-01", 22, "gpu-01", False)),
        (["-F", "/dev/null", "-p", "2200", "-o", "HostName=10.0.0.5"], endpoint.Client("10.0.0.5", 2200, "10.0.0.5", False)),
        (["-F", "/dev/null", "-o", "HostKeyAlias=x"], endpoint.Client("gpu-01", 22, "x", False)),
        (["-F", "/dev/null", "-J", "bastion"], endpoint.Client("gpu-01", 22, "gpu-01", True)),
        (["-F", "/dev/null", "-o", "ProxyCommand=nc %h %p"], endpoint.Client("gpu-01", 22, "gpu-01", True)),
    ],
)
def test_the_clients_own_configuration_counts(arguments: list[str], expected: endpoint.Client) -> None:
    assert read_client("gpu-01", arguments)._replace(known_hosts=()) == expected


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr"


@pytest.mark.parametrize("hashed", [False, True])
@pytest.mark.parametrize(
    ("pinned", "expected"),
    [
        ([], "gpu-01"),
        (["gpu-01"], "gpu-01"),
        (["other", "[gpu-01]:2222"], "[gpu-01]:2222"),
        (["[gpu-01]:2222", "gpu-01"], "gpu-01"),
        (["[gpu-01]:9999"], "gpu-01"),
    ],
)
def test_the_identity_is_found_under_the_name_it_was_pinned_with(
    tmp_path: Path, pinned: list[str], expected: str, hashed: bool
) -> None:
    path = tmp_path / "known_hosts"
    path.write_text("".join(f"{name} {KEY}\n" for name in pinned))
    if hashed and pinned:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(path)], check=True, capture_output=True)
    options = ["-F", "/dev/null", "-o", f"UserKnownHostsFile={path}", "-o", "GlobalKnownHostsFile=/dev/null"]
    assert pinned_name(read_client("gpu-01", options), [2222, 22]) == expected


def test_candidates_are_tried_once_in_order() -> None:
    assert endpoint.candidates([2222, 22, 22, 2222], 2200) == [2222, 22, 2200]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [("", "-o HostKeyAlias=a"), ("-o X=y", "-o X=y -o HostKeyAlias=a"), ("-o hostkeyalias=b", "-o hostkeyalias=b")],
)
def test_the_identity_is_bound_to_the_name(arguments: str, expected: str) -> None:
    assert endpoint.with_alias(arguments, "a") == expected


def test_the_message_names_every_port() -> None:
    message = endpoint.no_answer("h", {2222: "Connection refused", 22: "timed out"})
    assert "port 2222: Connection refused; port 22: timed out" in message
    assert "sshd_previous_ports" in message


@pytest.mark.parametrize("wrong", ["a-word", "", 0, 65536, -22, 22.5, None, True])
def test_what_is_no_port_is_named(wrong: object) -> None:
    with pytest.raises(ValueError, match=f"found '{wrong}'"):
        endpoint.port_numbers([2222, wrong])


def test_ports_may_be_written_as_text() -> None:
    assert endpoint.port_numbers([2222, "22"]) == [2222, 22]
