# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which place a channel's name stands for, and which platform a host is. Pure. Private to this collection."""

from __future__ import annotations

import os
from collections.abc import Iterable

from .errors import CondaEnvError
from .records import without_credentials
from .specification import Settings

# conda's own, where the task says nothing (conda/base/constants.py).
_ALIAS = "https://conda.anaconda.org"
_REPOSITORY = "https://repo.anaconda.com"
_DEFAULTS = (f"{_REPOSITORY}/pkgs/main", f"{_REPOSITORY}/pkgs/r")
# Machine names of uname(2) whose name at conda is another one.
_MACHINES = {"x86_64": "64", "i386": "32", "i586": "32", "i686": "32", "armv6l": "armv6l", "armv7l": "armv7l"}


def platform_of(machine: str) -> str:
    """conda's name for a Linux machine, such as `linux-64` for `x86_64`."""
    return f"linux-{_MACHINES.get(machine, machine)}"


def this_platform() -> str:
    """conda's name for this host."""
    return platform_of(os.uname().machine)


def places(channel: str, settings: Settings) -> tuple[str, ...]:
    """URLs (without platform) that a channel stands for: one, but for `defaults`."""
    if "://" in channel:
        return (channel.rstrip("/"),)
    if channel == "defaults":
        return tuple(place for item in settings.default_channels or _DEFAULTS for place in places(item, settings))
    for name, location in settings.custom_channels:
        if channel == name or channel.startswith(f"{name}/"):
            return (f"{location.rstrip('/')}/{channel}",)
    alias = _REPOSITORY if channel.startswith("pkgs/") else (settings.channel_alias or _ALIAS)
    return (f"{alias.rstrip('/')}/{channel}",)


def name_of(place: str, declared: Iterable[str], settings: Settings) -> str:
    """The declared channel behind a URL without platform; the URL itself, without credentials, where none was declared."""
    bare = without_credentials(place).rstrip("/")
    for channel in declared:
        if bare in map(without_credentials, places(channel, settings)):
            return without_credentials(channel)
    return bare


def place_of(channel: str, url: str, declared: Iterable[str], settings: Settings) -> str:
    """Where this host has the package that a lock names by its channel and by the URL it once had.

    A declared channel lends its credentials to the locked one, which has none.
    """
    own = next((item for item in declared if without_credentials(item) == channel), channel)
    candidates = places(own, settings)
    if len(candidates) > 1:
        last = url.rsplit("/", 3)[1]
        candidates = tuple(place for place in candidates if place.rsplit("/", 1)[-1] == last)
    if not candidates:
        raise CondaEnvError(
            f"the lock needs {url}, and none of this host's '{channel}' channels ends in '{last}'", "Correct 'default_channels'."
        )
    return candidates[0]


def check_allowed(used: Iterable[str], settings: Settings) -> None:
    """Refuse places (URLs without platform) that `allowlist_channels` and `denylist_channels` of a task forbid."""
    allowed, denied = (
        {without_credentials(place) for channel in channels for place in places(channel, settings)}
        for channels in (settings.allowlist_channels, settings.denylist_channels)
    )
    for place in map(without_credentials, used):
        if place in denied or (allowed and place not in allowed):
            verdict = "is denied" if place in denied else f"is not allowed; allowed are {', '.join(sorted(allowed))}"
            raise CondaEnvError(
                f"the task forbids it: {place} {verdict}",
                "Use what it allows, or change 'allowlist_channels' and 'denylist_channels'.",
            )
