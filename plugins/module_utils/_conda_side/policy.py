# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host's owner and the task forbid: channels, packages, and packages that are too new. Private to this collection."""

# ruff: noqa: PLC0415  conda exists only where this runs
from __future__ import annotations

import time
import typing as t

from .plain import details

_KEYS = ("allowlist_channels", "denylist_channels", "disallowed_packages", "exclude_newer", "exclude_newer_package")
# The word that conda 26.9 brings.
_NEWER = "exclude_newer"
# Each place of it in a condarc -> how a message names it, and how a solver of that conda says that it knows it; what it does not
# say, it does not do.
_ABILITIES = {
    _NEWER: ("'exclude_newer'", "supports_exclude_newer_global"),
    "exclude_newer_package": ("'exclude_newer_package'", "supports_exclude_newer_package"),
    "channel_settings": ("'exclude_newer' in 'channel_settings'", "supports_exclude_newer_channel"),
}


class PolicyUnknownError(Exception):
    """This conda does not know what the task demands of it."""


class ForbiddenChannelError(Exception):
    """A channel that is denied, or that is not among those allowed."""


def of_host() -> tuple[dict[str, t.Any], list[str]]:
    """What the installation's own configuration forbids, its channels as URLs by its own aliases, which the task need not share.

    A condarc that conda cannot read forbids nothing, and nobody can work with that conda; that is a note.
    """
    from conda.base.context import context, reset_context

    try:
        reset_context()
        found = {key: getattr(context, key, None) for key in _KEYS}
        plain = {key: details(value) if isinstance(value, (list, tuple)) else value for key, value in found.items()}
        for key in ("allowlist_channels", "denylist_channels"):
            plain[key] = urls(plain[key] or ())
        if hasattr(context, _NEWER):
            plain["channel_settings"] = limits_of_channels(context.channel_settings)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return {}, [f"conda cannot read its configuration on this host; what that forbids does not count: {reason}"]
    return {key: dict(value) if hasattr(value, "items") else value for key, value in plain.items() if value}, []


def with_task(host: dict[str, t.Any], request: dict[str, t.Any]) -> dict[str, t.Any]:
    """Both together: what one of them forbids is forbidden. The task's channels are named as its other channels are."""
    both = dict(host)
    denied = [*host.get("denylist_channels", ()), *urls(request["denylist_channels"])]
    allowed = urls(request["allowlist_channels"])
    if denied:
        both["denylist_channels"] = denied
    if allowed and host.get("allowlist_channels"):
        common = [url for url in allowed if url in host["allowlist_channels"]]
        if not common:  # conda would take an empty list for no list
            raise ForbiddenChannelError(
                f"the host allows only {', '.join(host['allowlist_channels'])}, and the task none of them"
            )
        both["allowlist_channels"] = common
    elif allowed:
        both["allowlist_channels"] = allowed
    if request[_NEWER]:
        limit = request[_NEWER]
        both[_NEWER] = earlier([limit, *filter(None, [host.get(_NEWER)])])
        packages, channels = both.get("exclude_newer_package", {}), both.get("channel_settings", [])
        both["exclude_newer_package"] = {name: within(value, limit) for name, value in packages.items()}
        both["channel_settings"] = [{**channel, _NEWER: within(channel[_NEWER], limit)} for channel in channels]
    return both


def limits_of_channels(settings: t.Iterable[t.Mapping[str, str]]) -> list[dict[str, str]]:
    """What a condarc says about the age of single channels' packages, the channels as URLs. The last one that fits counts."""
    return [
        {"channel": url, _NEWER: value}
        for one in settings
        for name, value in [(one.get("channel"), one.get(_NEWER, one.get("exclude-newer")))]
        if name and value
        for url in ([name] if set("*?[") & set(name) else urls([name]))
    ]


def within(value: t.Any, limit: str) -> t.Any:
    """What the host says about one channel or package, within the task's limit for all; what the host exempts stays exempt."""
    from conda.core.exclude_newer import ExcludeNewerPolicy

    return earlier([value, limit]) if ExcludeNewerPolicy.from_values(None, {"any": value}).active else value


def earlier(values: list[str]) -> str:
    """The one of some values of `exclude_newer` that excludes most."""
    import conda

    try:
        from conda.core.exclude_newer import ExcludeNewerPolicy
    except ImportError as error:
        raise PolicyUnknownError(f"conda {conda.__version__} does not know '{_NEWER}'; expected 26.9 or newer") from error
    now = time.time()
    return min(values, key=lambda value: ExcludeNewerPolicy.from_values(value, None, now=now).global_cutoff)


def check_solver(context: t.Any, policy: dict[str, t.Any]) -> None:
    """Refuse what conda's solver cannot keep to. conda does so too, and does not say which option it is about."""
    import conda

    wanted = [key for key in _ABILITIES if policy.get(key)]
    if not wanted:
        return
    solver = context.plugin_manager.get_cached_solver_backend()
    names = [name for name, ability in map(_ABILITIES.__getitem__, wanted) if not getattr(solver, ability, False)]
    if names:
        raise PolicyUnknownError(f"the solver {context.solver} of conda {conda.__version__} does not know {' and '.join(names)}")


def urls(channels: t.Iterable[str]) -> list[str]:
    """Places that channels stand for, by the configuration that conda has now."""
    from conda.models.channel import Channel

    return [url for name in channels for url in Channel(name).base_urls]


def check_channels(channels: t.Iterable[t.Any], policy: dict[str, t.Any]) -> None:
    """Refuse a channel that the policy forbids: not each conda knows each of the words, and none asks about those of a lock."""
    denied, allowed = policy.get("denylist_channels", ()), policy.get("allowlist_channels", ())
    for channel in channels:
        for url in channel.base_urls:
            if url in denied:
                raise ForbiddenChannelError(f"{channel.canonical_name} ({url}) is denied")
            if allowed and url not in allowed:
                raise ForbiddenChannelError(f"{channel.canonical_name} ({url}) is not allowed; allowed are {', '.join(allowed)}")


def check_packages(records: list[t.Any], policy: dict[str, t.Any]) -> None:
    """Refuse what the policy forbids before the first download; conda asks after the last one."""
    from conda.exceptions import DisallowedPackageError
    from conda.models.match_spec import MatchSpec

    check_channels({record.channel.base_url: record.channel for record in records}.values(), policy)
    forbidden = [MatchSpec(spec) for spec in policy.get("disallowed_packages", ())]
    for record in records:
        if any(spec.match(record) for spec in forbidden):
            raise DisallowedPackageError(record)
