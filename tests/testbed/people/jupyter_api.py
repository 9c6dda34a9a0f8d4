# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Use a Jupyter server as a browser does: its REST API, and the kernel protocol over a WebSocket.

Protocol: "Messaging in Jupyter" (jupyter_client) and "The REST API" (jupyter_server).
"""

from __future__ import annotations

import json
import time
import typing as t
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import quote

import requests
import websocket

Message = dict[str, t.Any]


class JupyterError(Exception):
    """The server or the kernel did not do what was asked; the text says what it answered."""


@dataclass
class Output:
    """What one piece of code printed and returned, collected from the kernel's messages."""

    request: str
    text: str = ""
    error: str = ""
    idle: bool = False

    def add(self, message: Message) -> None:
        kind, content = message.get("msg_type") or message["header"]["msg_type"], message["content"]
        if kind == "status" and content["execution_state"] in ("restarting", "dead"):
            # Of the server itself: the kernel's process has ended, and nothing more will come from it.
            self.error, self.idle = f"the kernel has died ({content['execution_state']})", True
        if message.get("parent_header", {}).get("msg_id") != self.request:
            return  # another request's, or the kernel's own
        if kind == "stream":
            self.text += content["text"]
        elif kind in ("execute_result", "display_data"):
            self.text += content["data"].get("text/plain", "") + "\n"
        elif kind == "error":
            self.error = f"{content['ename']}: {content['evalue']}"
        elif kind == "status" and content["execution_state"] == "idle":
            self.idle = True


def execute_request(code: str, session: str) -> Message:
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "session": session,
        "username": "",
        "version": "5.3",
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False, "stop_on_error": True}
    return {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content, "buffers": []}


def debug_request(session: str) -> Message:
    """The first request of the Debug Adapter Protocol, which makes the kernel load its debugger."""
    message = execute_request("", session)
    message["header"]["msg_type"] = "debug_request"
    arguments = {"clientID": "test", "adapterID": "python", "pathFormat": "path", "linesStartAt1": True}
    message["content"] = {"type": "request", "seq": 1, "command": "initialize", "arguments": arguments}
    message["channel"] = "control"
    return message


@dataclass(frozen=True)
class Jupyter:
    """A server at `url`, such as ``http://127.0.0.1:20207``. Each wait ends after `timeout` seconds."""

    url: str
    token: str = field(repr=False)
    timeout: float = 60.0
    authority: str = ""
    """File with the certificate of who certified an https server."""
    certificate: str = ""
    """File with the visitor's own certificate and its key."""
    headers: t.Mapping[str, str] = field(default_factory=dict, repr=False)
    """In place of the token: what a browser sends that has logged in elsewhere."""

    def get(self, path: str) -> t.Any:
        return self._ask("GET", path)

    def upload(self, name: str, text: str) -> None:
        """Write a file into the folder that the server shows, as a browser does."""
        self._ask("PUT", f"/api/contents/{quote(name)}", {"type": "file", "format": "text", "content": text})

    def version(self) -> str:
        return str(self.get("/api")["version"])

    def kernels(self) -> list[str]:
        """Names of the kernels that can be started."""
        return sorted(self.get("/api/kernelspecs")["kernelspecs"])

    def execute(self, kernel: str, code: str) -> str:
        """Start the kernel, run the code in it, end the kernel, and return what the code printed.

        Raises :class:`JupyterError` if there is no such kernel, if the code raises, or if it takes too long.
        """
        with self.kernel(kernel) as identity:
            return self.run(identity, code)

    @contextmanager
    def kernel(self, name: str) -> Iterator[str]:
        """Start the kernel, and end it afterwards; yields its identity."""
        identity = quote(self._ask("POST", "/api/kernels", {"name": name})["id"])
        try:
            yield identity
        except BaseException:
            # What went wrong in it says more than that it cannot be ended, such as one that the server is starting anew.
            with suppress(JupyterError):
                self._ask("DELETE", f"/api/kernels/{identity}")
            raise
        self._ask("DELETE", f"/api/kernels/{identity}")

    @contextmanager
    def notebook(self, kernel: str, path: str) -> Iterator[str]:
        """Open a notebook below the root folder, as JupyterLab does, and close it afterwards; yields its kernel's identity."""
        wanted = {"path": path, "name": "", "type": "notebook", "kernel": {"name": kernel}}
        session = self._ask("POST", "/api/sessions", wanted)
        try:
            yield quote(session["kernel"]["id"])
        finally:
            self._ask("DELETE", f"/api/sessions/{quote(session['id'])}")

    def run(self, identity: str, code: str) -> str:
        """Run the code in a kernel that was started, and return what it printed."""
        return self._send(identity, execute_request(code, uuid.uuid4().hex))

    def debug(self, identity: str) -> None:
        """Switch the kernel's debugger on, as JupyterLab's switch does."""
        self._send(identity, debug_request(uuid.uuid4().hex))

    def shell(self, command: str, silence: float = 0) -> str:
        """Type a command into a new terminal, and return all that the terminal shows until it has ended.

        Before, nothing is said for so many seconds of `silence`.
        """
        name = self._ask("POST", "/api/terminals", {})["name"]
        mark = uuid.uuid4().hex
        address = f"ws{self.url.removeprefix('http')}/terminals/websocket/{name}"
        try:
            channel = self._channel(address)
            self._listen(channel, silence)
            # The terminal shows what is typed, too: there the mark has a gap.
            channel.send(json.dumps(["stdin", f"{command}; echo {mark[:16]}''{mark[16:]}\r"]))
            shown = ""
            while mark not in shown:
                kind, *content = json.loads(channel.recv())
                shown += content[0] if kind == "stdout" else ""
            channel.close()
            return shown
        except (OSError, websocket.WebSocketException) as error:
            raise JupyterError(f"{self.url}: the terminal did not answer: {error}") from error
        finally:
            self._ask("DELETE", f"/api/terminals/{name}")

    def _send(self, identity: str, request: Message) -> str:
        session = request["header"]["session"]
        output = Output(request["header"]["msg_id"])
        address = f"ws{self.url.removeprefix('http')}/api/kernels/{identity}/channels?session_id={session}"
        try:
            channel = self._channel(address)
        except (OSError, websocket.WebSocketException) as error:
            raise JupyterError(f"{self.url}: no channel to the kernel: {error}") from error
        deadline = time.monotonic() + self.timeout
        try:
            channel.send(json.dumps(request))
            while not output.idle and time.monotonic() < deadline:
                # The server's pings come back too: whoever only waits for messages would wait as long as the server lives.
                kind, frame = channel.recv_data_frame(control_frame=True)
                if kind == websocket.ABNF.OPCODE_CLOSE:
                    raise JupyterError(f"{self.url}: the server has closed the channel to the kernel")
                if kind == websocket.ABNF.OPCODE_TEXT:
                    output.add(json.loads(frame.data))
        except (OSError, websocket.WebSocketException) as error:
            raise JupyterError(f"{self.url}: the kernel did not answer: {error}") from error
        finally:
            channel.close()
        if output.error:
            raise JupyterError(output.error)
        if not output.idle:
            raise JupyterError(f"{self.url}: the code did not end within {self.timeout:g} s")
        return output.text

    @property
    def _headers(self) -> dict[str, str]:
        return dict(self.headers) or {"Authorization": f"token {self.token}"}

    def _channel(self, address: str) -> websocket.WebSocket:
        files = {"ca_certs": self.authority, "certfile": self.certificate}
        return websocket.create_connection(
            address,
            timeout=self.timeout,
            header=self._headers,
            http_no_proxy=["*"],
            sslopt={name: path for name, path in files.items() if path},
        )

    def _listen(self, channel: websocket.WebSocket, seconds: float) -> None:
        """Answer pings, as a browser does, and nothing else."""
        end = time.monotonic() + seconds
        # It answers a ping and goes on waiting: only a wait that is shorter than the time between pings ends.
        channel.settimeout(1)
        while time.monotonic() < end:
            with suppress(websocket.WebSocketTimeoutException):
                channel.recv()
        channel.settimeout(self.timeout)

    def _ask(self, method: str, path: str, body: Message | None = None) -> t.Any:
        with requests.Session() as session:
            session.trust_env = False  # no proxy on the way to loopback
            session.headers.update(self._headers)
            session.verify, session.cert = self.authority or True, self.certificate or None
            try:
                answer = session.request(method, f"{self.url}{path}", json=body, timeout=self.timeout)
            except requests.RequestException as error:
                raise JupyterError(f"{self.url}{path}: {error}") from error
        if not answer.ok:
            raise JupyterError(f"{self.url}{path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None


def wait_until_answers(jupyter: Jupyter, seconds: float = 30.0) -> None:
    """Return once the server answers with the token.

    Raises :class:`JupyterError` with the last answer.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            jupyter.version()
            return
        except JupyterError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.3)


def execute(url: str, token: str, kernel: str, code: str) -> str:
    """Run code in a new kernel of the server and return what it printed, without the line break at the end."""
    return Jupyter(url, token).execute(kernel, code).rstrip("\n")
