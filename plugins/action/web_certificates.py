# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a certificate for every person, on the controller."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils._host.difference import difference
from ..module_utils._proxy.sites import revoked_problems, serial, user_problems
from ..plugin_utils._files import read_text, write_private
from ..plugin_utils._guarded import guarded
from ..plugin_utils._proxy.authority import Authority

OWN = "web.pem"
AUTHORITY = "web_ca.crt"


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    @guarded
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars or {})
        _unused, arguments = self.validate_argument_spec(
            argument_spec={
                "directory": {"type": "path", "required": True},
                "ca_dir": {"type": "path", "required": True},
                "people": {"type": "list", "elements": "str", "required": True},
                "revoked": {"type": "list", "elements": "str", "default": []},
            }
        )
        if wrong := [*user_problems({}, arguments["people"]), *revoked_problems(arguments["revoked"])]:
            raise AnsibleActionFail("\n".join(wrong))
        authority = Authority(Path(arguments["ca_dir"]).expanduser(), self._read)
        revoked = {serial(text) for text in arguments["revoked"]}
        place, new = Path(arguments["directory"]).expanduser(), []
        if not self._task.check_mode:
            authority.make()
        for person in sorted(set(arguments["people"])):
            folder = place / person
            if authority.outdated(read_text(folder / OWN) or "", revoked):
                new.append(person)
                if not self._task.check_mode:
                    write_private(folder / OWN, authority.certify_person(person))
            if not self._task.check_mode and read_text(folder / AUTHORITY) != authority.text:
                write_private(folder / AUTHORITY, authority.text)
        diff = [difference(str(place / person / OWN), None, "a new certificate and its key\n") for person in new]
        return {"changed": bool(new), "new": new, "diff": diff}

    def _read(self, path: str) -> bytes:
        """A key that is in a vault is read as what is in it."""
        with open(self._loader.get_real_file(path), "rb") as stream:
            return stream.read()
