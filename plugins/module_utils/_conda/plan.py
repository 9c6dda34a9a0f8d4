# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done, and how it reads. Pure. Private to this collection."""

from __future__ import annotations

import dataclasses
import typing as t

from .._host.difference import Difference, difference
from .._text.secrets import mask_urls

if t.TYPE_CHECKING:
    from .actual import Actual
    from .manifest import Manifest


@dataclasses.dataclass(frozen=True)
class Plan:
    """`action` is none, create, replace, extend, adjust, roll back or remove; `reasons` say why, `before` and `after` what.

    The settings are lines for the diff that are no packages.
    """

    action: str = "none"
    reasons: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    settings_before: tuple[str, ...] = ()
    settings_after: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return self.action != "none"

    def to_dict(self) -> dict[str, t.Any]:
        """For the module's result."""
        return {
            "action": self.action,
            "reasons": [mask_urls(reason) for reason in self.reasons],
            "install": [line for line in self.after if line not in self.before],
            "remove": [line for line in self.before if line not in self.after],
        }

    def diff(self, header: str) -> Difference:
        """For `--diff`."""
        sides = ((*self.settings_before, *self.before), (*self.settings_after, *self.after))
        if self.changed and sides[0] == sides[1]:
            # It is what is written about the packages that differs, or an owner: a change is never told without its cause.
            sides = ((*map(mask_urls, self.reasons), *sides[0]), sides[1])
        before, after = ("".join(f"{line}\n" for line in lines) for lines in sides)
        return difference(header, before, after)


def reasons(actual: Actual, digest: str, drift: str, prune: bool = True) -> tuple[str, ...]:
    """Why the environment is not what its specification says; empty if it is. `drift`: what is told where no package differs."""
    if not actual.exists:
        return ("the environment does not exist",)
    if actual.manifest is None:
        return ("it was not built by this module, or was never finished", *(shadow.line() for shadow in actual.shadows))
    found: list[str] = []
    if actual.manifest.digest != digest:
        found.append("the specification has changed")
    if prune and actual.manifest.kept:
        found.append("packages beyond the specification were kept: " + ", ".join(actual.manifest.kept))
    if drift:
        found.extend(changes(actual, actual.manifest) or [drift])
    return tuple(found)


def changes(actual: Actual, manifest: Manifest) -> list[str]:
    """Name what was changed by hand since the environment was built."""
    if actual.unreadable:
        return [actual.unreadable]
    found = [shadow.line() for shadow in actual.shadows if shadow.pip not in manifest.pip]
    told = {shadow.pip for shadow in actual.shadows}
    for installer, then, now in (("conda", manifest.conda, actual.conda), ("pip", manifest.pip, actual.pip)):
        found += [f"{installer} package {item.line()} is missing" for item in then if item not in now]
        found += [f"{installer} package {item.line()} was added" for item in now if item not in (*then, *told)]
    return found
