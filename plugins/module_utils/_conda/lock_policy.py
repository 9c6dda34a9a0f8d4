# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a task follows its lock. Pure but for the name of the platform. Private to this collection."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from .channels import check_allowed, this_platform
from .errors import CondaEnvError
from .lock import RENEW, Lock, Locked, parse_lock, stale
from .specification import Settings, Specification

if t.TYPE_CHECKING:
    from .options import Options


def follow(given: Specification | None, options: Options) -> tuple[Specification, Locked | None, str]:
    """(specification, lock to follow instead of solving, digest) for a task with `lock` or `lock_policy`.

    Where nothing is to be built no conda is asked, so what the task forbids is asked here.
    """
    lock, settings = load(options.lock), options.settings
    why = unusable(given, lock, settings, this_platform())
    if not why and not options.prune:
        why = "'prune: false' keeps what no lock names"
    lock, notes = choose(given, lock, options.lock_policy, why)
    if lock is not None:
        asked, locked = lock.asked(given), lock.locked(given, settings)
        if settings.allowlist_channels or settings.denylist_channels:
            check_allowed((record["channel"] for record in locked.records), settings)
        return dataclasses.replace(asked, notes=(*asked.notes, *notes)), locked, lock.digest()
    if given is None:
        raise CondaEnvError("found neither 'src' nor 'definition', and the lock is not to be used", "Change 'lock_policy'.")
    return dataclasses.replace(given, notes=(*given.notes, *notes)), None, given.digest(settings)


def load(content: t.Any) -> Lock | None:
    """A lock as a mapping, or as the text of its file."""
    if content is None:
        return None
    if isinstance(content, str):
        try:
            content = json.loads(content)
        except ValueError as error:
            raise CondaEnvError(f"the lock is no JSON: {error}", "Give the path of a lock file on the controller.") from None
    try:
        return parse_lock(content)
    except CondaEnvError as error:
        raise CondaEnvError(f"the lock {error.cause}", error.way_out) from None


def choose(given: Specification | None, lock: Lock | None, policy: str | None, why: str) -> tuple[Lock | None, list[str]]:
    """The lock to be followed, if any, and notes; `why` it cannot be followed is empty if it can.

    Raises CondaEnvError where the policy asks for one that is not there.
    """
    policy = policy or ("require" if lock is not None else "ignore")
    if policy == "ignore":
        return None, []
    if not why:
        return lock, []
    if policy == "prefer" and given is not None:
        return None, [f"solved on this host: {why}"]
    raise CondaEnvError(why, f"{RENEW}, or change 'lock_policy'. Nothing has been changed.")


def unusable(given: Specification | None, lock: Lock | None, settings: Settings, platform: str) -> str:
    """Why a lock cannot be followed; empty if it can."""
    if lock is None:
        return "there is no lock"
    if lock.platform != platform:
        return f"the lock is for {lock.platform}, this host is {platform}"
    changes = stale(lock, given, settings) if given is not None else ""
    return f"the specification has changed since it was locked ({changes})" if changes else ""
