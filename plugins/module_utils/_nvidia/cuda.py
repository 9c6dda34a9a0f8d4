# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which CUDA a driver and its GPUs offer, and whether what programs need fits. Pure. Private to this collection.

Sources: NVIDIA's "CUDA Toolkit Release Notes", table "CUDA Toolkit and Corresponding Driver Versions" (edition 13.1 of
2025-12-04, for 13.2 and 13.3 the editions up to 13.3 Update 1 of 2026-06; since 13.4 it names no driver any more, so that row is
what nvidia-smi says of itself) and "Deprecated Architectures" (9.0: Fermi, 12.0: Kepler, 13.0: Maxwell, Pascal and Volta); "CUDA
Compatibility", "Minor Version Compatibility"; the architectures that CMake's FindCUDA gives nvcc of each version. Of each CUDA
the first release counts.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Sequence

Version = tuple[int, int]
UNKNOWN: Version = (0, 0)

# CUDA -> the driver that came with it.
TOOLKITS: tuple[tuple[Version, str], ...] = (
    ((8, 0), "367.48"),
    ((9, 0), "384.81"),
    ((9, 1), "390.46"),
    ((9, 2), "396.26"),
    ((10, 0), "410.48"),
    ((10, 1), "418.39"),
    ((10, 2), "440.33"),
    ((11, 0), "450.51.05"),
    ((11, 1), "455.23"),
    ((11, 2), "460.27.03"),
    ((11, 3), "465.19.01"),
    ((11, 4), "470.42.01"),
    ((11, 5), "495.29.05"),
    ((11, 6), "510.39.01"),
    ((11, 7), "515.43.04"),
    ((11, 8), "520.61.05"),
    ((12, 0), "525.60.13"),
    ((12, 1), "530.30.02"),
    ((12, 2), "535.54.03"),
    ((12, 3), "545.23.06"),
    ((12, 4), "550.54.14"),
    ((12, 5), "555.42.02"),
    ((12, 6), "560.28.03"),
    ((12, 7), "565.57.01"),  # no toolkit: what nvidia-smi says of itself
    ((12, 8), "570.26"),
    ((12, 9), "575.51.03"),
    ((13, 0), "580.65.06"),
    ((13, 1), "590.44.01"),
    ((13, 2), "595.45.04"),
    ((13, 3), "610.43.02"),
    ((13, 4), "615.71.09"),
)
# From CUDA 11 on a driver for one CUDA runs programs of every other with the same first number.
MINIMUM = {11: "450.80.02", 12: "525.60.13", 13: "580.65.06"}


class Limits(t.NamedTuple):
    """The first CUDA whose programs run on a generation of GPUs (0.0: one of long ago), and the first number of the last.

    A program for one compute capability runs on later ones with the same first number (CUDA C++ Programming Guide, "Binary
    Compatibility"): Turing's is 7.5 after Volta's 7.0, Ada's 8.9 after Ampere's 8.0.
    """

    first: Version
    last: int = 1 << 16


# A generation that is not here is not judged.
GENERATIONS: dict[str, Limits] = {
    "fermi": Limits((0, 0), last=8),
    "kepler": Limits((0, 0), last=11),
    "maxwell": Limits((0, 0), last=12),
    "pascal": Limits((8, 0), last=12),
    "volta": Limits((9, 0), last=12),
    "turing": Limits((9, 0)),
    "ampere": Limits((11, 0)),
    "ada": Limits((11, 0)),
    "hopper": Limits((11, 8)),
    "grace-hopper": Limits((11, 8)),
    "blackwell": Limits((12, 8)),
}

WAY_OUT = (
    "Either give the host a newer driver ('nvidia_version', 'nvidia_source'), if it is the driver that is too old, or ask for an "
    "older CUDA: for example 'cuda-version=12' under 'dependencies', and for pip the wheels of that CUDA."
)


class Offer(t.NamedTuple):
    """What a host offers to programs that use CUDA: version of the driver, highest CUDA, generations of its GPUs.

    Empty is what is not known; without a GPU all of it.
    """

    driver: str = ""
    cuda: str = ""
    generations: tuple[str, ...] = ()


NO_GPU = Offer()
# NVIDIA's libraries with which a driver runs programs of a newer CUDA ("CUDA Compatibility", "Forward Compatibility").
FORWARD = "cuda-compat"


class Need(t.NamedTuple):
    """The CUDA that a package is made for. `strict`: it says that no older one will do. `forward`: it helps an older driver."""

    cuda: Version
    package: str
    strict: bool = False
    forward: bool = False


class Verdict(t.NamedTuple):
    """Why something cannot run (empty if it can), and what a person should know."""

    problem: str = ""
    notes: tuple[str, ...] = ()


def key(driver: str) -> tuple[int, ...]:
    """Order of drivers. A branch alone stands for its last version."""
    numbers = tuple(int(number) for number in re.findall(r"\d{1,9}", driver)[:3])
    return numbers if len(numbers) > 1 else (*numbers, 1 << 16)


def offered(driver: str) -> str:
    """The highest CUDA of a driver's version or branch, as far as the table goes; empty for one that is older than the table."""
    found = [cuda for cuda, first in TOOLKITS if key(first) <= key(driver)] if driver[:1].isdigit() else []
    return text(found[-1]) if found else ""


def version(cuda: str) -> Version:
    """`12.8` as numbers."""
    major, _dot, minor = cuda.partition(".")
    return int(major), int(minor or 0)


def text(cuda: Version) -> str:
    return f"{cuda[0]}.{cuda[1]}"


def oldest(offers: Iterable[Offer]) -> str:
    """The highest CUDA that all hosts have which have a driver; empty if none has."""
    return min((offer.cuda for offer in offers if offer.cuda), key=version, default="")


def judge(needs: Sequence[Need], offer: Offer) -> Verdict:
    """Compare. Without a GPU there is nothing to say: the solver does, of what demands one."""
    known = [need for need in needs if need.cuda > UNKNOWN]
    if not known or not (offer.driver or offer.cuda or offer.generations):
        return Verdict()
    # Of several that are for the same CUDA the one that names it tells most.
    most = max(known, key=lambda need: (need.cuda, need.package == "cuda-version"))
    verdicts = (_driver(needs, most, offer) if offer.cuda else _no_cuda(most, offer), _gpus(most, offer))
    return Verdict(
        next((verdict.problem for verdict in verdicts if verdict.problem), ""),
        tuple(note for verdict in verdicts for note in verdict.notes),
    )


def beside(needs: Sequence[Need], others: Iterable[Need]) -> list[Need]:
    """To be judged with what helps an older driver among others."""
    return [*needs, *(other for other in others if other.forward)] if needs else []


def _driver(needs: Sequence[Need], most: Need, offer: Offer) -> Verdict:
    lacking = [need for need in needs if _is_too_new(need, offer)]
    if lacking:
        worst = max(lacking, key=lambda need: need.cuda)
        told = f"{_what(worst)}, which needs {_minimum(worst)}; found {_found(offer)}"
        if any(need.forward for need in needs):
            return Verdict("", (f"{told}. NVIDIA's forward compatibility ({FORWARD}) helps on data centre GPUs only",))
        if _is_beyond(offer.driver):
            return Verdict("", (f"{told}, or a newer one that is not known yet",))
        return Verdict(told)
    if most.cuda <= version(offer.cuda):
        return Verdict()
    how = "it runs by NVIDIA's minor-version compatibility, except for programs that it brings as PTX or compiles while it runs"
    return Verdict("", (f"{_what(most)}; found {_found(offer)}: {how}",))


def _no_cuda(most: Need, offer: Offer) -> Verdict:
    if offer.driver:
        found = f"driver {offer.driver}, older than that of CUDA {text(TOOLKITS[0][0])}"
        return Verdict(f"{_what(most)}, which needs {_minimum(most)}; found {found}")
    return Verdict("", (f"{_what(most)}; whether the driver offers that is not known, as none is installed that is known",))


def _gpus(most: Need, offer: Offer) -> Verdict:
    known = [name for name in offer.generations if name in GENERATIONS]
    past = [name for name in known if GENERATIONS[name].last < most.cuda[0]]
    notes = []
    if past:
        last = max(GENERATIONS[name].last for name in past)
        told = f"{_what(most)}, which does not know the GPUs ({', '.join(past)}) any more; CUDA {last} was the last that did"
        if len(past) == len(offer.generations):
            return Verdict(told)
        notes.append(f"{told}; it uses the other GPUs")
    notes += [
        f"{_what(most)}, and GPUs of the generation {name} need CUDA {text(GENERATIONS[name].first)}: it can use them only if it "
        "brings its programs as PTX, too"
        for name in known
        if most.cuda < GENERATIONS[name].first
    ]
    return Verdict("", tuple(notes))


def _is_too_new(need: Need, offer: Offer) -> bool:
    has = version(offer.cuda)
    if need.strict or need.cuda[0] < min(MINIMUM):
        return need.cuda > has
    if need.cuda > has and need.cuda[0] == has[0]:
        return bool(offer.driver) and key(offer.driver) < key(MINIMUM.get(has[0], "0"))
    return need.cuda[0] > has[0]


def _is_beyond(driver: str) -> bool:
    """Whether a driver is of a newer branch than the table knows."""
    return bool(driver) and key(driver)[0] > key(TOOLKITS[-1][1])[0]


def _minimum(need: Need) -> str:
    drivers = dict(TOOLKITS)
    driver = drivers.get(need.cuda) if need.strict else MINIMUM.get(need.cuda[0], drivers.get(need.cuda))
    return f"NVIDIA driver {driver} or newer" if driver else "a newer NVIDIA driver"


def _what(need: Need) -> str:
    return f"{need.package} is for CUDA {text(need.cuda)}{' or newer' if need.strict else ''}"


def _found(offer: Offer) -> str:
    driver = f"driver {offer.driver}, which offers " if offer.driver else ""
    return f"{driver}CUDA {offer.cuda}"
