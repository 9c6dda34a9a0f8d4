# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a host's programs; what fails becomes one sentence. Private to this collection."""

from __future__ import annotations

import shlex
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .refused import RefusedError

# The error of what fails here: who runs programs has it from here.
__all__ = ["RefusedError", "Runner"]


class Runner:
    """A module's hands on the host."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module

    def attempt(self, *argv: str, data: str | None = None) -> tuple[int, str, str]:
        rc, out, err = self.module.run_command(list(argv), data=data, environ_update={"LC_ALL": "C"})
        return t.cast("int", rc), t.cast("str", out), t.cast("str", err)

    def run(self, *argv: str, data: str | None = None) -> str:
        rc, out, err = self.attempt(*argv, data=data)
        if rc != 0:
            raise RefusedError(f"'{shlex.join(argv)}' ended with {rc}: {(err or out).strip()}")
        return out
