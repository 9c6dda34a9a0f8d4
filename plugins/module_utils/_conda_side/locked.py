# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages from the records of a lock: nothing is chosen, no index is read. Private to this collection."""

# ruff: noqa: PLC0415  conda exists only where this runs
from __future__ import annotations

import typing as t

from .needs import needs


class LockIncompleteError(Exception):
    """The packages of the lock do not work together, or not on this host."""


def locked(request: dict[str, t.Any], context: t.Any) -> tuple[list[t.Any], list[t.Any], list[str]]:
    """The same as `solve`, but from the records of a lock: nothing is chosen, no index is read."""
    from conda.models.channel import Channel
    from conda.models.match_spec import MatchSpec
    from conda.models.prefix_graph import PrefixGraph
    from conda.models.records import PackageRecord

    records = []
    for item in request["records"]:
        fields = {key: value for key, value in item.items() if value not in ("", 0, []) or key == "build_number"}
        records.append(PackageRecord(**{**fields, "channel": Channel(f"{item['channel']}/{item['subdir']}")}))
    check_together(records, context)
    return [MatchSpec(spec) for spec in request["specs"]], list(PrefixGraph(records).graph), []


def check_together(records: list[t.Any], context: t.Any) -> None:
    """A lock may have been edited, or made for hosts with another system: every dependency must be there."""
    from conda.models.records import PackageRecord

    known = {record.name: record for record in records}
    wanted = [(record, spec) for record in records for spec in needs(record)]
    if any(spec.name.startswith("__") for _record, spec in wanted):
        manager = context.plugin_manager
        if hasattr(manager, "get_virtual_package_records"):
            known.update((item.name, item) for item in manager.get_virtual_package_records())
        else:
            for item in manager.get_virtual_packages():
                fields = {"version": item.version or "0", "build": item.build or "0", "build_number": 0}
                known[f"__{item.name}"] = PackageRecord(name=f"__{item.name}", **fields)
    for record, spec in wanted:
        if spec.name not in known:
            raise LockIncompleteError(f"{record.name} needs {spec}, which is not there")
        if not spec.match(known[spec.name]):
            raise LockIncompleteError(f"{record.name} needs {spec}, but there is {spec.name} {known[spec.name].version}")
