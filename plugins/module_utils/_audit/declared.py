# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory declares about a host, as far as an audit asks for it. Pure. Private to this collection."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Declared:
    """Each value is empty where the host does not have the role that says it."""

    administrators: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    """Everybody with an account, administrators included."""
    with_password: tuple[str, ...] = ()
    """Those who have a password by the inventory, or need one for sudo."""
    extra_groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Person, and groups beyond those of the role `accounts`."""
    sshd_ports: tuple[int, ...] = ()
    jupyter_ports: tuple[int, ...] = ()
    """Of people's own JupyterLabs, on loopback."""
    linger: tuple[str, ...] = ()
    """Whose services may run without a login, besides those of people."""
    open_ports: tuple[str, ...] = ()
    """What the firewall lets in, such as `8443/tcp`."""
    conda_root: str = ""
    environments: tuple[str, ...] = ()
    """Names of the lab's conda environments."""
    channels: tuple[str, ...] = ()
    """Channels that packages may come from; empty means that nothing is said."""
    kernels_dir: str = ""
    roles: tuple[str, ...] = ()
    """That the host has; empty means that nothing is said."""

    @classmethod
    def of(cls, arguments: Mapping[str, t.Any]) -> Declared:
        """From the arguments of a task, which have the names of the fields."""
        plain: dict[str, t.Any] = {}
        for field in dataclasses.fields(cls):
            value = arguments.get(field.name)
            if field.name == "extra_groups":
                plain[field.name] = tuple(sorted((name, tuple(found)) for name, found in (value or {}).items()))
            elif isinstance(value, list):
                plain[field.name] = tuple(value)
            else:
                plain[field.name] = value or ""
        return cls(**plain)

    def groups_of(self, person: str) -> tuple[str, ...]:
        return dict(self.extra_groups).get(person, ())
