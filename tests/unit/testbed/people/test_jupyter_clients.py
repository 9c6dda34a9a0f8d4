# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from people.jupyter_api import Jupyter, JupyterError, Output, execute_request
from people.ssh_tunnel import Login, TunnelError, free_port, tunnel


def message(kind: str, parent: str, **content: t.Any) -> dict[str, t.Any]:
    return {"header": {"msg_type": kind}, "parent_header": {"msg_id": parent}, "content": content}


def test_output_is_what_this_request_printed() -> None:
    output = Output("mine")
    for each in (
        message("status", "mine", execution_state="busy"),
        message("stream", "other", name="stdout", text="not mine\n"),
        message("stream", "mine", name="stdout", text="one\n"),
        message("status", "other", execution_state="idle"),
        message("execute_result", "mine", data={"text/plain": "2"}),
    ):
        output.add(each)
    assert (output.text, output.error, output.idle) == ("one\n2\n", "", False)
    output.add(message("error", "mine", ename="ValueError", evalue="no"))
    output.add(message("status", "mine", execution_state="idle"))
    assert (output.error, output.idle) == ("ValueError: no", True)


def test_messages_without_a_parent_are_the_kernels_own() -> None:
    output = Output("mine")
    output.add({"header": {"msg_type": "status"}, "parent_header": {}, "content": {"execution_state": "idle"}})
    assert not output.idle


@pytest.mark.parametrize("state", ["restarting", "dead"])
def test_a_kernel_that_has_died_answers_no_more(state: str) -> None:
    output = Output("mine")
    output.add({"header": {"msg_type": "status"}, "parent_header": {}, "content": {"execution_state": state}})
    assert output.idle and state in output.error


def test_a_request_is_complete_and_unique() -> None:
    first, second = execute_request("1", "s"), execute_request("1", "s")
    assert first["header"]["msg_id"] != second["header"]["msg_id"]
    assert first["channel"] == "shell" and first["content"]["code"] == "1" and not first["content"]["allow_stdin"]


def test_the_token_is_not_in_the_representation() -> None:
    assert "secret" not in repr(Jupyter("http://127.0.0.1:1", "secret"))


def test_a_server_that_is_not_there_is_told() -> None:
    port = free_port()
    with pytest.raises(JupyterError, match=f"127.0.0.1:{port}/api: .*refused"):
        Jupyter(f"http://127.0.0.1:{port}", "x").version()


def login(**changes: t.Any) -> Login:
    return Login(**{"host": "127.0.0.1", "user": "alice", "key": Path("/k"), "known_hosts": Path("/h"), **changes})


def test_the_ssh_command_depends_on_nothing_of_the_caller() -> None:
    command = login(port=2222, host_key_alias="server").command("-N")
    assert command[:3] == ["ssh", "-F", "none"] and command[-5:] == ["-p", "2222", "-l", "alice", "-N"]
    assert {"-oStrictHostKeyChecking=yes", "-oHostKeyAlias=server", "-oControlPath=none", "-oIdentityAgent=none"} < set(command)
    assert "-oHostKeyAlias=127.0.0.1" in login().command()


def test_a_tunnel_that_does_not_open_says_why() -> None:
    with pytest.raises(TunnelError, match="refused"), tunnel(login(port=free_port()), 20207):
        pass
