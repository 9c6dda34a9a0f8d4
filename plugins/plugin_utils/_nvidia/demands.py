# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the GPUs of a host ask of a driver, and whether it is met. Pure. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ...module_utils._nvidia.pci import ARCHITECTURES, Architecture
from ...module_utils._nvidia.state import branch
from .offers import Offer

# The first branch in which NVIDIA itself installs the open modules where the GPU can use them.
OPEN_BY_DEFAULT = 560
# Neither Debian nor NVIDIA has an older branch for these releases.
OLDEST = 525


def named(gpu: Mapping[str, t.Any]) -> str:
    return f"GPU {gpu['address']} (10de:{gpu['device_id']}, {gpu['architecture']})"


def apart(gpus: Iterable[Mapping[str, t.Any]]) -> list[str]:
    """Say that no driver at all serves these GPUs together."""
    needs = {gpu["architecture"]: ARCHITECTURES[gpu["architecture"]] for gpu in gpus if gpu["architecture"] in ARCHITECTURES}
    first = max((need.first_branch for need in needs.values()), default=0)
    last = min((need.last_branch for need in needs.values() if need.last_branch is not None), default=first)
    one_kind = all(need.open for need in needs.values()) or all(need.proprietary for need in needs.values())
    if one_kind and first <= last:
        return []
    each = [f"{named(gpu)} needs {_needed(needs[gpu['architecture']])}" for gpu in gpus if gpu["architecture"] in needs]
    return [
        f"no driver serves all GPUs of this host together: {'; '.join(each)}; move GPUs of one kind to another host, or lend "
        "them to a guest (vfio-pci)"
    ]


def _needed(need: Architecture) -> str:
    kind = "either kind of" if need.open and need.proprietary else "open" if need.open else "proprietary"
    until = f" to {need.last_branch}" if need.last_branch else " or newer"
    return f"{kind} kernel modules of branch {need.first_branch}{until}"


def conflicts(gpus: Iterable[Mapping[str, t.Any]], flavour: str, wanted: int | None) -> list[str]:
    """Say which GPUs the open or proprietary modules of a branch cannot drive."""
    problems = []
    for gpu in gpus:
        needs = ARCHITECTURES.get(gpu["architecture"])
        if needs is None:
            continue
        what = named(gpu)
        if not (needs.open if flavour == "open" else needs.proprietary):
            other = "proprietary" if flavour == "open" else "open"
            problems.append(f"{what} is not driven by the {flavour} kernel modules; set nvidia_module_flavour: {other}")
        if wanted is not None and wanted < needs.first_branch:
            problems.append(
                f"{what} needs driver branch {needs.first_branch} or newer, found {wanted}; "
                f"take a newer driver: nvidia_source: nvidia, or another nvidia_version"
            )
        if wanted is not None and needs.last_branch is not None and wanted > needs.last_branch:
            way_out = f"set nvidia_version to a version of a branch up to {needs.last_branch}"
            if needs.last_branch < OLDEST:
                way_out = "no source of drivers has one that old; take the GPU out, or the host out of the group nvidia"
            problems.append(f"{what} is driven by branch {needs.last_branch} at most, found {wanted}; {way_out}")
    return problems


def choose_flavour(gpus: Sequence[Mapping[str, t.Any]], wanted: int | None) -> str:
    """Open where a GPU needs it, proprietary where one needs that, else what NVIDIA installs by default in the branch."""
    needs = [ARCHITECTURES[gpu["architecture"]] for gpu in gpus if gpu["architecture"] in ARCHITECTURES]
    if any(not need.open for need in needs):
        return "proprietary"
    if any(not need.proprietary for need in needs):
        return "open"
    return "open" if wanted is None or wanted >= OPEN_BY_DEFAULT else "proprietary"


def choose_branch(gpus: Sequence[Mapping[str, t.Any]], offer: Offer, version: str) -> int | None:
    """The branch that is wanted, else the distribution's, else the last that drives all GPUs (None: the newest)."""
    if version:
        return branch(version)
    if offer.branch is not None:
        return offer.branch
    last = [ARCHITECTURES[gpu["architecture"]].last_branch for gpu in gpus if gpu["architecture"] in ARCHITECTURES]
    oldest = min((number for number in last if number is not None), default=None)
    return oldest and max(oldest, OLDEST)
