# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask conda's solver which packages go with a specification. Private to this collection."""

# ruff: noqa: PLC0415  conda exists only where this runs
from __future__ import annotations

import os
import typing as t

from .configure import configure
from .needs import present


class BaseProtectedError(Exception):
    """What is asked for would take something away from the conda installation itself."""


class CannotKeepError(Exception):
    """What should be kept does not go with the specification. `errors` is what conda says."""

    def __init__(self, names: list[str], error: BaseException) -> None:
        super().__init__(str(error))
        self.names = names
        self.errors = [error]


def by_priority(
    request: dict[str, t.Any], context: t.Any, ask: t.Callable[[dict[str, t.Any], t.Any], t.Any]
) -> tuple[t.Any, list[str]]:
    """(answer, notes) with the channel priority that was asked for, also from a solver that has only two of the three.

    Where `strict` has an answer, it is that of `flexible`. rattler used to take `flexible` for `disabled`, and nobody was told.
    """
    if request["channel_priority"] != "flexible" or len(request["channels"]) == 1 or knows_flexible(context.solver):
        return ask(request, context), []
    try:
        return ask(request, configure({**request, "channel_priority": "strict"})), []
    except Exception:
        found = ask(request, configure({**request, "channel_priority": "disabled"}))
    note = "this version of the solver rattler knows no channel priority 'flexible', and strict priority has no answer"
    return found, [f"{note}: each package is the newest of all channels ('disabled')"]


def knows_flexible(solver: str) -> bool:
    """Whether a solver has all three priorities: rattler does since conda-rattler-solver 0.2."""
    if solver != "rattler":
        return True
    try:
        from conda_rattler_solver.solver import CHANNEL_PRIORITY_MAP
    except ImportError:
        return False
    return len({str(priority) for priority in CHANNEL_PRIORITY_MAP.values()}) == len(CHANNEL_PRIORITY_MAP)


def solve(request: dict[str, t.Any], context: t.Any) -> tuple[list[t.Any], list[t.Any], list[str]]:
    """(match specs, records to link in order, names of those beyond the specification) for a prefix that is empty."""
    from conda.api import Solver
    from conda.models.channel import Channel
    from conda.models.match_spec import MatchSpec

    def ask(specs: list[t.Any], channels: list[t.Any]) -> list[t.Any]:
        solver = Solver(request["prefix"], channels, context.subdirs, specs_to_add=specs)
        _unlink, link = solver.solve_for_diff()
        return list(link)

    specs = [MatchSpec(spec) for spec in request["specs"]]
    channels = [Channel(channel) for channel in request["channels"]]
    records = ask(specs, channels)
    needed = {record.name for record in records}
    keep = [item for item in request["keep"] if item["name"] not in needed]
    if not keep:
        return specs, records, []
    declared = {url for channel in channels for url in channel.base_urls}
    # A package that came from elsewhere can only be kept from there; what the specification asks for is looked up here first.
    beyond = [Channel(url) for url in dict.fromkeys(item["channel"] for item in keep) if url not in declared]
    wanted = [
        MatchSpec(name=item["name"], version=f"=={item['version']}", build=item["build"], channel=item["channel"])
        for item in keep
    ]
    try:
        records = ask([*specs, *wanted], [*channels, *beyond])
    except Exception as error:
        raise CannotKeepError(blame(keep, wanted, lambda spec: ask([*specs, spec], [*channels, *beyond])), error) from error
    return [*specs, *wanted], records, sorted({record.name for record in records} - needed)


def extend(request: dict[str, t.Any], context: t.Any) -> tuple[list[t.Any], list[t.Any], list[t.Any]]:
    """(match specs, records to unlink, records to link) with which packages come to a conda installation, and none goes.

    What is there and fits is left alone; first everything else is, too, then as little as conda finds necessary moves. Last, what
    former specifications of a task said about other packages does not count any more; what people asked for does.
    """
    from conda.api import Solver
    from conda.base.constants import UpdateModifier
    from conda.core.prefix_data import PrefixData
    from conda.models.channel import Channel
    from conda.models.match_spec import MatchSpec

    # The solver libmamba would look into the channels of everything that is there. Older versions know no other way to say so.
    os.environ["CONDA_LIBMAMBA_SOLVER_NO_CHANNELS_FROM_INSTALLED"] = "1"
    specs = [MatchSpec(spec) for spec in request["specs"]]
    channels = [Channel(channel) for channel in request["channels"]]
    installed = {record.name: record for record in PrefixData(request["prefix"]).iter_records()}
    lacking = [spec for spec in specs if not present(spec, installed)]
    if not lacking:
        return specs, [], []
    attempts = [(UpdateModifier.FREEZE_INSTALLED, lacking), (UpdateModifier.UPDATE_SPECS, specs)]
    loose = [MatchSpec(name) for name in request["former"] if name in installed and name not in {spec.name for spec in specs}]
    if loose:
        attempts.append((UpdateModifier.UPDATE_SPECS, [*specs, *loose]))
    failure: Exception | None = None
    for modifier, asked in attempts:
        try:
            solver = Solver(request["prefix"], channels, context.subdirs, specs_to_add=asked)
            unlink, link = (list(records) for records in solver.solve_for_diff(update_modifier=modifier))
            protect(specs, installed, unlink, link)
        except Exception as error:
            # Of several reasons the one that names what would go is the best one.
            failure = failure if isinstance(failure, BaseProtectedError) else error
            continue
        # conda's history takes these for what people asked for last.
        return (specs if asked is lacking else asked), unlink, link
    if any(spec.name == "python" for spec in lacking) and not isinstance(failure, BaseProtectedError):
        raise BaseProtectedError(f"python {installed['python'].version} cannot be replaced: {failure}") from failure
    raise failure or RuntimeError("conda has found no answer")


def protect(specs: list[t.Any], installed: dict[str, t.Any], unlink: list[t.Any], link: list[t.Any]) -> None:
    """Refuse an answer that takes a package away, moves Python to another minor version, or is not what was asked for."""
    gone = {record.name for record in unlink}
    final = {name: record for name, record in installed.items() if name not in gone}
    final.update((record.name, record) for record in link)
    python, wanted = installed["python"].version, final["python"].version if "python" in final else "nothing"
    if python.split(".")[:2] != wanted.split(".")[:2]:
        raise BaseProtectedError(f"python {python} would become {wanted}")
    lost = sorted(set(installed) - set(final))
    if lost:
        raise BaseProtectedError(f"it would be without {', '.join(lost)}")
    missing = [str(spec) for spec in specs if not str(spec.name).startswith("__") and not present(spec, final)]
    if missing:
        raise RuntimeError(f"it does not provide {', '.join(missing)}")


def blame(keep: list[t.Any], wanted: list[t.Any], ask: t.Callable[[t.Any], t.Any]) -> list[str]:
    """Those that cannot be kept even alone; all, if each of them could be."""
    found = []
    for item, spec in zip(keep, wanted):
        try:
            ask(spec)
        except Exception:
            found.append(f"{item['name']} {item['version']} {item['build']}")
    return found or [f"{item['name']} {item['version']} {item['build']}" for item in keep]
