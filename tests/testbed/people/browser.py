# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person at a browser: headless Chromium, steered by the Chrome DevTools Protocol. It sees what people see, and clicks and types.

It is steered through a pipe, so nobody else on this machine can steer it, and it ends with the program that started it.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import time
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waiting import wait_until

Answer = dict[str, t.Any]
WIDTH, HEIGHT = 1400, 900
SHIFT = 8  # Input.dispatchKeyEvent, modifiers
# Of each message on the pipe.
END = b"\0"
ENTER = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}


class Browser:
    """One window. Each wait ends after `timeout` seconds."""

    def __init__(self, pipe: socket.socket, timeout: float) -> None:
        self.timeout, self._pipe, self._number = timeout, pipe, 0
        self._read = bytearray()
        self._session: Answer = {}
        self._events: list[Answer] = []
        page = next(target for target in self.do("Target.getTargets")["targetInfos"] if target["type"] == "page")
        attached = self.do("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        self.do("Page.enable")
        self.do("Emulation.setFocusEmulationEnabled", enabled=True)
        self.do("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False)

    def do(self, method: str, **parameters: t.Any) -> Answer:
        number = self._send(method, **parameters)
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                return t.cast(Answer, answer["result"])
            if answer.get("method") == "Page.javascriptDialogOpening":
                # "Leave this page?" Yes.
                self._send("Page.handleJavaScriptDialog", accept=True)
            self._events.append(answer)

    def _send(self, method: str, **parameters: t.Any) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters, **self._session}
        self._pipe.sendall(json.dumps(message).encode() + END)
        return self._number

    def _receive(self) -> Answer:
        while END not in self._read:
            piece = self._pipe.recv(2**20)
            assert piece, "the browser has ended"
            self._read += piece
        message, _end, self._read = self._read.partition(END)
        return t.cast(Answer, json.loads(message))

    def open(self, address: str) -> None:
        self.do("Page.navigate", url=address)

    def value(self, expression: str) -> t.Any:
        return self.do("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def text(self, selector: str) -> str:
        return str(self.value(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.innerText).join('\\n')"))

    def see(self, selector: str, words: str = "") -> None:
        """Wait until something is shown, with these words."""
        elements = f"[...document.querySelectorAll({json.dumps(selector)})]"
        found = f"{elements}.some(e => (e.innerText ?? '').includes({json.dumps(words)}))"
        try:
            wait_until(lambda: self.value(found), self.timeout)
        except AssertionError as error:
            raise AssertionError(f"{selector} {words!r} {error}; the page shows: {self.text('body')[:2000]}") from error

    def click(self, selector: str) -> None:
        self.see(selector)
        box = f"(b => [b.x + b.width / 2, b.y + b.height / 2])(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        x, y = self.value(box)
        for kind in ("mousePressed", "mouseReleased"):
            self.do("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def click_until(self, selector: str, shown: str) -> None:
        """What is clicked on may move, or not listen yet, while a page comes up."""

        def clicked() -> bool:
            if not self.value(f"document.querySelector({json.dumps(shown)}) !== null"):
                self.click(selector)
                time.sleep(1)
                return False
            return True

        wait_until(clicked, self.timeout)

    def write(self, text: str) -> None:
        self.do("Input.insertText", text=text)

    def press_enter(self, modifiers: int = 0) -> None:
        for kind in ("keyDown", "keyUp"):
            self.do("Input.dispatchKeyEvent", type=kind, modifiers=modifiers, **ENTER)

    def choose_file(self, selector: str, path: Path) -> None:
        """Click on what asks for a file, and choose one."""
        self.do("Page.setInterceptFileChooserDialog", enabled=True)
        self.click(selector)
        event = self._event("Page.fileChooserOpened")
        self.do("DOM.setFileInputFiles", files=[str(path)], backendNodeId=event["backendNodeId"])

    def _event(self, method: str) -> Answer:
        found: list[Answer] = []

        def look() -> bool:
            self.value("1")
            found.extend(event["params"] for event in self._events if event.get("method") == method)
            return bool(found)

        wait_until(look, self.timeout)
        self._events.clear()
        return found[-1]

    def picture(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.do("Page.captureScreenshot")["data"]))


@contextmanager
def browser(profile: Path, timeout: float = 60.0, *more: str, through: t.Sequence[str] = ()) -> Iterator[Browser]:
    """Start a browser that knows nothing yet but the certificates in `profile`, a folder of its own; `more` are further options.

    `through`: what stands before the command, such as what leads into another network.
    """
    ours, theirs = socket.socketpair()
    ours.settimeout(timeout)
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", *more]
    command = ["chromium", *options, "--no-proxy-server", f"--user-data-dir={profile}", "about:blank"]
    # It reads from 3 and writes to 4, and bash is a shell that takes a descriptor of more than one digit.
    start = ["bash", "-c", f'exec "$@" 3<&{theirs.fileno()} 4>&{theirs.fileno()}', "bash", *through, *command]
    # Below its home it looks for certificates (browser_certificates.py).
    home = {**os.environ, "HOME": str(profile)}
    quiet: t.Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with ours, theirs, subprocess.Popen(start, env=home, pass_fds=[theirs.fileno()], **quiet) as process:
        theirs.close()
        try:
            yield Browser(ours, timeout)
        finally:
            process.terminate()
