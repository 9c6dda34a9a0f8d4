# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the loopback interface on a host: compared in nft's own words, loaded in one step, and at each boot.

Private to this collection.
"""

from __future__ import annotations

import contextlib
import os

from ansible.module_utils.basic import AnsibleModule

from .._host.difference import Difference, difference
from .._host.files import put_file, read_file
from .._host.refused import RefusedError
from .._host.runner import Runner
from . import loopback as firewall_loopback
from .loading import enable, loading, unit_differences

# Terse: who is connecting just now is no part of the rules.
SHOW = f"nft --stateless --terse list table {firewall_loopback.TABLE}"
LINK = f"/etc/systemd/system/sysinit.target.wants/{firewall_loopback.UNIT_NAME}"


class Loopback(Runner):
    """`table` is the text of the file; empty if there shall be no table."""

    def __init__(self, module: AnsibleModule, table: str, header: str) -> None:
        super().__init__(module)
        self.table = table
        self.nft: str = module.get_bin_path("nft", False, ["/usr/sbin", "/sbin"]) or ""
        unit = firewall_loopback.unit(header, self.nft or "/usr/sbin/nft")
        self.files = {firewall_loopback.RULES: table, firewall_loopback.UNIT: unit if table else ""}

    @property
    def missing(self) -> bool:
        """Whether there shall be a table and nothing can load it."""
        return bool(self.table) and not self.nft

    def compare(self) -> list[Difference]:
        """What is not as it shall be, for Ansible's diff."""
        new = {path: text for path, text in self.files.items() if (read_file(path) or "") != text}
        found = [difference(path, read_file(path) or "", text) for path, text in new.items()]
        if self.nft:
            before, after = self._loaded(), self._as_loaded() if self.table else ""
            found += loading(f"table {firewall_loopback.TABLE}", before, after, firewall_loopback.RULES, new)
        return found + unit_differences(self, firewall_loopback.UNIT_NAME, LINK, wanted=bool(self.table))

    def apply(self) -> None:
        if self.table:
            self._write()
            # By itself first: nft says what is wrong, a unit only that something is.
            self.run(self.nft, "--file", firewall_loopback.RULES)
            self.run("systemctl", "daemon-reload")
            enable(self, firewall_loopback.UNIT_NAME, LINK)
            self.run("systemctl", "reload-or-restart", firewall_loopback.UNIT_NAME)
            return
        if os.path.exists(firewall_loopback.UNIT):
            self.run("systemctl", "disable", "--now", "--quiet", firewall_loopback.UNIT_NAME)
        for path in self.files:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        self.run("systemctl", "daemon-reload")
        if self.nft and self._loaded():
            self.run(self.nft, "delete", "table", *firewall_loopback.TABLE.split())

    def _write(self) -> None:
        os.makedirs(os.path.dirname(firewall_loopback.RULES), mode=0o755, exist_ok=True)
        for path, text in self.files.items():
            put_file(*os.path.split(path), text)

    def _loaded(self) -> str:
        """The table as the kernel has it; empty if it has none."""
        rc, out, _err = self.attempt(*SHOW.split())
        return out if rc == 0 else ""

    def _as_loaded(self) -> str:
        """How the kernel would show this table once loaded, tried in a network namespace of its own."""
        try:
            return self.run("unshare", "--net", "sh", "-c", f"nft -f - && {SHOW}", data=self.table)
        except RefusedError as error:
            raise RefusedError(
                f"found that nft cannot load rules on this host ({error}); expected a kernel with nf_tables, and in a container "
                "the capabilities NET_ADMIN and SYS_ADMIN; provide them, or set 'jupyter_loopback_isolation: none', with which "
                "any account of the host can take the port of a JupyterLab that is down, and connect to what others listen on"
            ) from error
