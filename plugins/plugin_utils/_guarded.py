# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way out of every action plugin of this collection: what a host said leaves it as a person may see it. Private to this
collection."""

from __future__ import annotations

import functools
import re
import typing as t
from collections.abc import Callable

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

from ..module_utils._text.secrets import KINDS
from ..module_utils._text.shown import shown, shown_all, shown_diff

# Each task of each host runs in a fork of the process that loads this: what is compiled here is compiled for all.
for kind in KINDS:
    re.compile(kind.pattern)

Result = dict[str, t.Any]
Run = Callable[..., Result]


def guarded(run: Run) -> Run:
    """The ``run`` of an action plugin, whose result and errors can be printed. Ansible prints them as they are."""

    @functools.wraps(run)
    def safely(*arguments: t.Any, **more: t.Any) -> Result:
        try:
            result = run(*arguments, **more)
        except (AnsibleActionFail, AnsibleConnectionFailure) as error:
            raise type(error)(shown(str(error))) from None
        told: Result = shown_all({**result, "diff": shown_diff(result["diff"])} if "diff" in result else result)
        return told

    return safely
