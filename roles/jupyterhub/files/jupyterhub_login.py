# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a password is somebody's on this host: all of JupyterHub's login that needs root.

systemd starts it for each try, with the connection as its input (jupyterhub-login@.service). There it gets a name and a password,
as a list in JSON up to the end of what is sent, and answers "yes" or "no". It writes nothing anywhere; who has failed, PAM logs.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import time
from collections.abc import Collection
from pathlib import Path

SERVICE = b"research-server-jupyterhub"
MOST = 4096
# PAM_MAX_RESP_SIZE, with the end of the text.
LONGEST = 511
PATIENCE = 5
# A no comes so many seconds after the start, whatever the reason: nobody learns who there is, and guessing takes its time. PAM's
# own delay (2 s, half of that more or less) is over by then.
NO_AFTER = 4.0
# <security/_pam_types.h>
SUCCESS, CONV_ERR = 0, 19
HIDDEN, SHOWN = 1, 2
DISALLOW_NULL_AUTHTOK, SILENT = 0x0001, 0x8000


class _Message(ctypes.Structure):
    _fields_ = (("style", ctypes.c_int), ("text", ctypes.c_char_p))


class _Answer(ctypes.Structure):
    _fields_ = (("text", ctypes.c_void_p), ("unused", ctypes.c_int))


_TALK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.POINTER(_Message)), ctypes.POINTER(ctypes.POINTER(_Answer)), ctypes.c_void_p
)


class _Conversation(ctypes.Structure):
    _fields_ = (("talk", _TALK), ("unused", ctypes.c_void_p))


def asked(said: bytes, people: Collection[str]) -> tuple[bytes, bytes] | None:
    """Name and password, as C takes them; None for what nobody has to be asked about."""
    try:
        name, password = json.loads(said)
        pair = name.encode(), password.encode()
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    # C would read up to the first NUL, and take "right\0wrong" for right.
    odd = any(b"\0" in text or not 0 < len(text) <= LONGEST for text in pair)
    return None if odd or name not in people else pair


def fits(name: bytes, password: bytes) -> bool:
    """Ask PAM: whether the password is right, and whether the account may be used today."""
    pam, libc = ctypes.CDLL("libpam.so.0"), ctypes.CDLL(None)
    libc.calloc.restype = libc.strdup.restype = ctypes.c_void_p
    libc.calloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]

    # Only mypy knows of what the pointers point to: ctypes' own class takes no argument.
    @_TALK
    def talk(count: int, messages: ctypes._Pointer, answers: ctypes._Pointer, _unused: None) -> int:  # type: ignore[type-arg]
        """What is asked without being shown is the password. To any other question there is no answer."""
        styles = [messages[place].contents.style for place in range(count)]
        if SHOWN in styles:
            return CONV_ERR
        # PAM frees them.
        answers[0] = ctypes.cast(libc.calloc(count, ctypes.sizeof(_Answer)), ctypes.POINTER(_Answer))
        for place, style in enumerate(styles):
            if style == HIDDEN:
                answers[0][place].text = libc.strdup(password)
        return SUCCESS

    handle, conversation = ctypes.c_void_p(), _Conversation(talk)
    if pam.pam_start(SERVICE, name, ctypes.byref(conversation), ctypes.byref(handle)) != SUCCESS:
        return False
    flags = SILENT | DISALLOW_NULL_AUTHTOK
    said = pam.pam_authenticate(handle, flags)
    if said == SUCCESS:
        said = pam.pam_acct_mgmt(handle, flags)
    pam.pam_end(handle, said)
    return bool(said == SUCCESS)


def received(visitor: socket.socket) -> bytes:
    """All that is sent; of too much only the beginning, which is no list. Who is not heard out gets no answer."""
    said = b""
    while more := visitor.recv(MOST):
        said = (said + more)[:MOST]
    return said


def serve(visitor: socket.socket, people: Collection[str]) -> None:
    begun = time.monotonic()
    visitor.settimeout(PATIENCE)
    pair = asked(received(visitor), people)
    yes = pair is not None and fits(*pair)
    if not yes:
        time.sleep(max(0.0, begun + NO_AFTER - time.monotonic()))
    visitor.sendall(b"yes" if yes else b"no")


def main() -> None:
    people = json.loads(Path(os.environ["RESEARCH_SERVER_HUB"]).read_text(encoding="utf-8"))["people"]
    with socket.socket(fileno=0) as visitor:
        serve(visitor, people)


if __name__ == "__main__":
    main()
