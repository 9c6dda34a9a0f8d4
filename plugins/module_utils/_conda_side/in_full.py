# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels by their URLs, for a solver that reads no configuration. Private to this collection."""

# ruff: noqa: PLC0415  conda exists only where this runs
from __future__ import annotations

import typing as t


class SeveralChannelsError(Exception):
    """A specification names a channel that stands for several, and the solver knows no such thing."""


def check_specs(specs: list[str]) -> None:
    """Refuse `defaults::package`: it cannot be said in full, and rattler would find it nowhere without a word about why."""
    for spec in specs:
        channel = channel_of(spec)
        found = places(channel) if channel and "://" not in spec else []
        if len(found) > 1:
            raise SeveralChannelsError(f"'{spec}' may come from {', '.join(found)}, and the solver rattler looks into one")


def in_full(request: dict[str, t.Any]) -> dict[str, t.Any]:
    """The same request with a URL for each name of a channel, and with no setting by which conda would shorten it again.

    In `channel::package` rattler takes a name for one at conda's default `channel_alias`, and then finds that no package of a
    mirror comes from there.
    """
    # Channels that only a specification names come last, as they would anyway; here they have their credentials.
    channels = [*request["channels"], *filter(None, map(channel_of, request["specs"]))]
    return {
        **request,
        "channels": list(dict.fromkeys(place for channel in channels for place in places(channel, with_credentials=True))),
        "specs": [spec_in_full(spec) for spec in request["specs"]],
        "channel_alias": "",
        "custom_channels": {},
    }


def specs_restored(specs: list[t.Any], asked: dict[str, t.Any], request: dict[str, t.Any]) -> list[t.Any]:
    """Specifications for conda's history as the request has them, where they were asked in full."""
    from conda.models.match_spec import MatchSpec

    names = dict(zip(asked["specs"], request["specs"]))
    return [MatchSpec(names.get(spec.original_spec_str, spec)) for spec in specs]


def records_restored(records: list[t.Any], channels: list[str]) -> list[t.Any]:
    """The records as other solvers give them: their channels named as conda is configured now, and with credentials.

    Those of rattler come without, and conda downloads from the URL that a record has.
    """
    from conda.models.records import PackageRecord

    lent = dict(pair for channel in channels for pair in zip(places(channel), places(channel, with_credentials=True)))
    found = []
    for record in records:
        place = record.url.rsplit("/", 2)[0]
        url = lent.get(place, place) + record.url[len(place) :]
        found.append(PackageRecord.from_objects(record, url=url, channel=url.rsplit("/", 1)[0]))
    return found


def places(channel: t.Any, with_credentials: bool = False) -> list[str]:
    """URLs that a channel stands for: one, but for `defaults`."""
    from conda.models.channel import Channel

    urls = Channel(channel).urls(with_credentials=with_credentials, subdirs=("noarch",))
    return [url.rsplit("/", 1)[0] for url in urls]


def channel_of(spec: str) -> t.Any:
    """The channel that a specification names; nothing if it names none, or a pattern."""
    from conda.models.match_spec import MatchSpec

    url, found, _package = spec.partition("::")
    return url.strip() if found and "://" in url else MatchSpec(spec).get_exact_value("channel")


def spec_in_full(spec: str) -> str:
    """A specification that names its channel by a URL; one whose channel has several stays as it is."""
    from conda.models.match_spec import MatchSpec

    channel = channel_of(spec)
    if not channel or "://" in spec or len(places(channel)) != 1:
        return spec
    match = MatchSpec(spec)
    name, _separator, package = (spec if "::" in spec else str(match)).partition("::")
    subdir = match.get_exact_value("subdir")
    within = f"/{subdir}" if subdir and name.rstrip().endswith(f"/{subdir}") else ""
    return f"{places(channel)[0]}{within}::{package.strip()}"
