# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error of the conda modules, and how they keep credentials out of their data.

Specifications, plans and records are compared and written, so only what is surely a credential (`mask_urls`) may be hidden in
them. Whatever else looks like one is hidden where a module ends (_host.module). Private to this collection.
"""

from __future__ import annotations

import errno
import os
import re
import traceback
import typing as t
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote

from .._host.refused import RefusedError
from .._text.secrets import HIDDEN, in_urls, mask_urls

if t.TYPE_CHECKING:
    from .._host.module import Module

# Keys and indexes that lead to an item of nested data.
Path = tuple[t.Union[str, int], ...]

# Shorter ones would hide half of every text.
_SHORTEST = 4


def secrets(value: t.Any) -> set[str]:
    """Credentials in the URLs of nested plain data, to be hidden wherever a program repeats them in another form."""
    if isinstance(value, str):
        parts = {part for found in in_urls(value) for part in re.split(r"[:=]", found)[-1:]}
        return {part for text in parts for part in (text, unquote(text)) if len(part) >= _SHORTEST}
    if isinstance(value, dict):
        return set().union(*(secrets(item) for item in value.values()))
    if isinstance(value, (list, tuple)):
        return set().union(*(secrets(item) for item in value))
    return set()


def mask_all(value: t.Any, known: t.Collection[str] = ()) -> t.Any:
    """Hide credentials in every string of nested plain data: those in URLs, and those that are known."""
    if isinstance(value, str):
        text = mask_urls(value)
        for secret in sorted(known, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text
    if isinstance(value, dict):
        return {key: mask_all(item, known) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask_all(item, known) for item in value]
    return value


class CondaEnvError(RefusedError):
    """What went wrong (cause), what to do (way out), and the raw output of the program that said so."""

    def __init__(self, cause: str, way_out: str = "", raw: str = "") -> None:
        super().__init__(mask_urls(cause), mask_urls(way_out))
        self.raw = mask_urls(raw)

    def message(self, name: str) -> str:
        """One message for people: the environment, the cause, the way out."""
        said = f"conda environment '{name}': {self.cause}"
        if not self.way_out:
            return said
        return f"{said}{'' if said.endswith(('.', ':', '!', '?')) else '.'}\n{self.way_out}"


AS_A_LIST = "Begin each item with a dash and a blank, on a line of its own: '- item'."


class SpecificationError(CondaEnvError):
    """A specification that cannot be used; `path` leads to the item, so that the reader of a file can name its line."""

    def __init__(self, cause: str, way_out: str = "", path: Path = ()) -> None:
        super().__init__(cause, way_out)
        self.path = path


def kind(value: t.Any) -> str:
    """What a value of plain data is, in words for people."""
    if value is None:
        return "nothing"
    for found, noun in ((bool, "truth value"), (str, "text"), ((int, float), "number"), (Mapping, "mapping"), (Sequence, "list")):
        if isinstance(value, found):
            return noun
    return type(value).__name__


def unexpected(error: Exception) -> CondaEnvError:
    """What no one has thought of, in the same words; the trace is the raw output."""
    text = " ".join(str(error).split())
    return CondaEnvError(
        f"the module failed unexpectedly ({type(error).__name__}{': ' if text else ''}{text})",
        "This is a defect of the module: report it with what the task shows with -vvv.",
        _trace(error),
    )


def from_system(error: OSError) -> CondaEnvError:
    """An error of the operating system in the same words."""
    where = f": {error.filename}" if error.filename else ""
    way_out = "Free some space and run again." if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return CondaEnvError(f"{error.strerror or error}{where}", way_out)


def answer(
    module: Module,
    work: Callable[[], dict[str, t.Any]],
    tell: Callable[[CondaEnvError], str],
    shown: Mapping[str, t.Any] | None = None,
) -> dict[str, t.Any]:
    """The way out of every conda module: what `work` returns, or a failure in the words of `tell`.

    Credentials in the arguments, of which `shown` are those to be shown, are hidden in both, wherever they stand.
    """
    shown = module.params if shown is None else shown
    known = secrets(shown)
    module.params = mask_all(shown)
    os.umask(0o022)
    told: dict[str, str] = {}
    result: dict[str, t.Any] = {}
    try:
        result = mask_all(work(), known)
    except (CondaEnvError, OSError) as error:
        failure = error if isinstance(error, CondaEnvError) else from_system(error)
        told = {"msg": tell(failure), "stderr": failure.raw, "exception": _trace(error)}
    except Exception as error:
        # Nobody shall have to read a trace to learn what it is about; Ansible shows it with -vvv.
        failure = unexpected(error)
        told = {"msg": tell(failure), "exception": failure.raw}
    if told:
        # Not in the handlers: there Ansible would add a trace in which nothing is hidden.
        module.fail_json(**mask_all(told, known))
    return result


def _trace(error: Exception) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
