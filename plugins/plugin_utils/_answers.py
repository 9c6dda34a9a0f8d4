# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host's answer has the shape that its module promises. Pure. Private to this collection.

A shape is a type; a pattern that the whole text fits; a tuple of shapes, of which one fits; a list with the shape of its items; a
dictionary of fixed keys, or one with a pattern for all keys. A host that is not what it seems may answer anything, and who judges
an answer need not care.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable

ANY = re.compile(r"[\s\S]*")
PORT = re.compile(r"[0-9]{1,5}")
VERSION = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,5}){1,3}")
# Far more than any host has.
MOST = 10_000
LARGEST = 2**63

_DISK = {"device": int, "free": int, "size": int, "inodes": (int, None), "read_only": bool}
# What doctor.py reads of the answers of the modules that it asks.
SETUP: t.Any = {"ansible_facts": {ANY: object}}
NVIDIA_INFO: t.Any = {
    "info": {
        "gpus": [{"address": str, "architecture": str, "lost": bool}],
        "driver": {"loaded": ({"version": str}, None), "userland": [str]},
        "health": {"disagreements": [str], "next_boot": [str]},
        "secure_boot": {"state": str, "enforced": bool, "key_enrolled": bool},
    }
}


def doctor_info(paths: Iterable[str]) -> t.Any:
    """The shape of the answer on disks that hold these paths."""
    return {
        "facts": {
            "time": float,
            "python": VERSION,
            "processors": int,
            "memory": {"total": int, "available": int},
            "disks": dict.fromkeys(paths, _DISK),
            "ports": {PORT: [str]},
            "urls": {ANY: str},
            "sources": {ANY: str},
            "packages": {ANY: str},
            "dpkg": {"interrupted": [str], "locks": {ANY: str}},
            "firewalls": [str],
            "sshd_matches": [str],
            "conda": {"exists": bool, "complete": bool, "installer": (str, None), "kept": str, "obstacle": str},
        }
    }


def misfit(answer: t.Any, shape: t.Any, place: str = "") -> str:
    """Where the answer does not fit, and what was expected there; empty if it does. What the shape does not name may be there."""
    return next(_misfits(answer, shape, place), "")


def _misfits(answer: t.Any, shape: t.Any, place: str) -> t.Iterator[str]:
    if isinstance(shape, tuple):
        found = [misfit(answer, one, place) for one in shape]
        yield from found[:1] if all(found) else ()
    elif isinstance(shape, (dict, list)) and isinstance(answer, type(shape)):
        if len(answer) > MOST:
            yield f"{place.lstrip('.')}: found {len(answer)} entries; expected at most {MOST}"
        else:
            yield from _inside(answer, shape, place)
    elif not _is(answer, shape):
        yield f"{place.lstrip('.') or 'the whole'}: found {_kind(answer)}; expected {_kind(shape)}"


def _inside(answer: t.Any, shape: t.Any, place: str) -> t.Iterator[str]:
    if isinstance(shape, list):
        for index, item in enumerate(answer):
            yield from _misfits(item, shape[0], f"{place}[{index}]")
        return
    pattern = next((key for key in shape if isinstance(key, re.Pattern)), None)
    for key in shape if pattern is None else answer:
        if pattern is not None:
            yield from _misfits(key, pattern, f"{place}, a key")
        if key not in answer:
            where = f"{place}.{key}"
            yield f"{where.lstrip('.')}: found nothing; expected it to be there"
        else:
            yield from _misfits(answer[key], shape[key if pattern is None else pattern], f"{place}.{key}")


def _is(answer: t.Any, shape: t.Any) -> bool:
    if isinstance(shape, re.Pattern):
        return isinstance(answer, str) and shape.fullmatch(answer) is not None
    if shape in (int, float):
        # A truth value is a number to Python, and what is not a number at all compares with nothing.
        return isinstance(answer, (int, shape)) and not isinstance(answer, bool) and abs(answer) < LARGEST
    return shape is answer if shape is None else isinstance(shape, type) and isinstance(answer, shape)


def _kind(value: t.Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, re.Pattern):
        return f"a text such as {value.pattern}"
    name = value.__name__ if isinstance(value, type) else type(value).__name__
    return {"dict": "a mapping", "list": "a list", "str": "a text", "bool": "true or false"}.get(name, "a number")
