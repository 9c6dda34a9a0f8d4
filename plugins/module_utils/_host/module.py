# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door of every module of this collection: what a host said leaves it as a person may see it. Private to this collection.

Ansible prints messages, warnings and differences to the operator's terminal as they are, and refuses a whole result for a byte
that is no UTF-8 in it.
"""

from __future__ import annotations

import functools
import os
import sys
import traceback
import typing as t
from collections.abc import Callable

from ansible.module_utils.basic import AnsibleModule

from .._text.escapes import escape
from .._text.shown import end_of, shown, shown_all, shown_diff, text_of
from .refused import RefusedError

# What Ansible, or a role, shows of a result that is none of a failure. The rest is data that tasks go on with: its secrets are
# looked after by the module itself.
READ = ("msg", "changes", "notices", "notes", "reason", "warnings", "stdout", "stderr")
# What is shown to those who ask for more (-vvv), and lines that everybody sees of what a program said.
MORE = 3
STDERR_LINES = 10


class Module(AnsibleModule):
    """An AnsibleModule that shows what it says, and what others made it say."""

    latest: t.ClassVar[Module | None] = None

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        Module.latest = self

    def exit_json(self, **result: t.Any) -> t.NoReturn:
        super().exit_json(**{key: shown_all(value, shown if key in READ else escape) for key, value in _compared(result).items()})
        raise SystemExit(0)

    def fail_json(self, msg: object, **result: t.Any) -> t.NoReturn:
        error, given = result.pop("exception", None), sys.exc_info()[1]
        if isinstance(error, BaseException):
            msg, given, error = f"{msg}: {error}", error, None
        if error is None and given is not None:
            # Else Ansible would put it into the result itself, as it is.
            error = "".join(traceback.format_exception(type(given), given, given.__traceback__))
        # ansible-core before 2.19 shows it to everybody, not only to those who ask for more.
        if error and (self._verbosity >= MORE or AnsibleModule.fail_json.__kwdefaults__):
            result["exception"] = error
        if self._verbosity < MORE:
            # Ansible itself hands over bytes.
            left = beyond(shown(str(msg)), text_of(shown_all(result.pop("stderr", ""))))
            result.update({"stderr": left} if left else {})
        super().fail_json(**shown_all({**_compared(result), "msg": str(msg)}))
        raise SystemExit(1)

    def warn(self, warning: str, **more: t.Any) -> None:
        super().warn(shown(warning), **more)


def beyond(message: str, output: str) -> str:
    """The end of what a program said; nothing if the message has all of it, so that nobody reads it twice."""
    known = " ".join(output.split()) in " ".join(message.split())
    return "" if known else end_of(output, STDERR_LINES)


def guarded(main: Callable[[], None]) -> Callable[[], None]:
    """What nobody has thought of ends as every other failure does, instead of with a trace that shows what it likes."""

    @functools.wraps(main)
    def run() -> None:
        try:
            main()
        except Exception as error:
            if Module.latest is None:
                raise
            Module.latest.fail_json(
                msg=f"the module failed unexpectedly ({type(error).__name__}: {error}). "
                "This is a defect of the module: report it with what the task shows with -vvv."
            )

    return run


def run_module(
    module: AnsibleModule, work: Callable[[t.Any], dict[str, t.Any]], *, name: str = "", root: bool = False, umask: int = 0o022
) -> None:
    """The course of a module: what `work` returns is its result, what it refuses is its message, after the name.

    What somebody has set as root's umask must not close what people read. Of errors that nobody has thought of :func:`guarded`
    makes a message; it is outside of this, since the arguments of a module can be such an error as well.
    """
    about = f"{name}: " if name else ""
    if root and os.geteuid() != 0:
        module.fail_json(msg=f"{about}found no root rights; expected them. Set 'become: true'")
    os.umask(umask)
    try:
        result = work(module)
    except RefusedError as error:
        module.fail_json(msg=f"{about}{error}")
    else:
        module.exit_json(**result)


def _compared(result: dict[str, t.Any]) -> dict[str, t.Any]:
    return {**result, "diff": shown_diff(result["diff"])} if "diff" in result else result
