# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How GPUs are divided (Multi-Instance GPU), as `nvidia-smi` lists it, and as it should be. Pure. Private to this collection.

Sources, read in November 2026: NVIDIA, "Multi-Instance GPU User Guide", "Getting Started with MIG" (modes, what a boot forgets);
nvidia-smi(1); what `nvidia-smi mig -lgi`, `-lgip` and `-lgipp` said on A100 (documentation of CEEMS, of ThetaGPU) and on H100.
Driver 580 lists the profiles of a GPU also while it is not divided, older ones only afterwards.
"""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from .smi import Gpu

ALL = "all"
ON = "Enabled"
NONE = "N/A"

ADDRESS = re.compile(rf"{ALL}|[0-9a-f]{{4}}:[0-9a-f]{{2}}:[0-9a-f]{{2}}\.[0-7]")
NAME = re.compile(r"\d+g\.\d+gb([+-][a-z]+(\.[a-z]+)*)*")

INSTANCE = re.compile(r"^\|+ +\d+ +MIG +(\S+) +\d+ +(\d+) +\d+:\d+ +\|", re.MULTILINE)
PROFILE = re.compile(r"^\|+ +\d+ +MIG +(\S+) +(\d+) +\d+/(\d+) ", re.MULTILINE)
PLACES = re.compile(r"Profile ID +(\d+) +Placements? *: *\{([\d,]+)\}:(\d+)")


class Profile(t.NamedTuple):
    """What a part of a GPU may be: how many of them, and where in its memory."""

    most: int
    places: tuple[frozenset[int], ...]


Profiles = Mapping[str, Profile]


def parts(listing: str, compute: Sequence[int]) -> tuple[str, ...]:
    """Parts of a GPU, by `nvidia-smi mig -lgi`; `compute` has the part of each compute instance: each should have one."""
    counts = Counter(compute)
    found = [(name, counts[int(number)]) for name, number in INSTANCE.findall(listing)]
    return tuple(sorted(name if count == 1 else f"{name} with {count} compute instances" for name, count in found))


def profiles(listing: str, placements: str) -> Profiles:
    """Parts that a GPU may have, by `nvidia-smi mig -lgip` and `-lgipp`."""
    places = {
        number: tuple(frozenset(range(int(start), int(start) + int(size))) for start in starts.split(","))
        for number, starts, size in PLACES.findall(placements)
    }
    return {name: Profile(int(most), places.get(number, ())) for name, number, most in PROFILE.findall(listing)}


def wished(gpus: Sequence[Gpu], wish: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Parts that each GPU should have, by address, in the order in which they are made; GPUs that are left alone are left out."""
    found = {gpu.address: wish.get(gpu.address, wish.get(ALL)) for gpu in gpus}
    return {address: tuple(parts) for address, parts in found.items() if parts is not None}


def malformed(wish: Mapping[object, object]) -> Iterator[str]:
    """What no host could do."""
    for address, parts in wish.items():
        if not ADDRESS.fullmatch(str(address)):
            yield f"mig: found '{address}'; expected '{ALL}', or a PCI address in quotes such as \"0000:65:00.0\""
        if not isinstance(parts, list) or not all(NAME.fullmatch(str(name)) for name in parts):
            yield (
                f"mig: found '{parts}' for {address}; expected a list of GPU instance profiles such as [3g.40gb, 3g.40gb] "
                "(nvidia-smi mig -lgip), or an empty one"
            )


def strangers(gpus: Sequence[Gpu], wish: Mapping[str, Sequence[str]]) -> list[str]:
    addresses = [gpu.address for gpu in gpus]
    return [
        f"mig: found {address}; expected '{ALL}', or a GPU of this host: {', '.join(addresses)}"
        for address in wish
        if address not in (ALL, *addresses)
    ]


def differs(gpu: Gpu, wanted: Sequence[str]) -> bool:
    """Whether something can be done about it now: not where the mode that is wanted waits for a boot already."""
    if gpu.mig != gpu.mig_next and gpu.mig_next == (ON if wanted else "Disabled"):
        return False
    return (gpu.mig == ON) != bool(wanted) or sorted(gpu.parts) != sorted(wanted)


def problems(gpu: Gpu, wanted: Sequence[str], known: Profiles | None) -> Iterator[str]:
    """Why a GPU cannot be divided so; `known` is None where the driver does not say it yet."""
    what = f"GPU {gpu.address} ({gpu.name})"
    if gpu.mig == NONE:
        if wanted:
            yield f"mig: {what} cannot be divided; leave it out of mig for this host"
        return
    if known is not None:
        yield from unfit(gpu, wanted, known)
    if gpu.processes and differs(gpu, wanted):
        yield (
            f"mig: {what} is {shown(gpu.mig, gpu.parts)}, expected {shown(ON if wanted else '', wanted)}; "
            f"it is used by {', '.join(gpu.processes)}, and stays as it is: run again when they have ended"
        )


def unfit(gpu: Gpu, wanted: Sequence[str], known: Profiles) -> Iterator[str]:
    """Which parts a GPU does not have, or has no room for."""
    what = f"GPU {gpu.address} ({gpu.name})"
    unknown = [name for name in dict.fromkeys(wanted) if name not in known]
    if unknown:
        yield f"mig: found {', '.join(unknown)}; {what} has {', '.join(known)}"
    elif not fit(wanted, known):
        each = ", ".join(f"{name} ({known[name].most} at most)" for name in dict.fromkeys(wanted))
        yield f"mig: found {', '.join(wanted)}; {what} has no room for these together: {each}"


def fit(wanted: Sequence[str], known: Profiles) -> bool:
    """Whether there is a place for each."""
    if any(count > known[name].most for name, count in Counter(wanted).items()):
        return False
    if not all(known[name].places for name in wanted):
        return True  # nvidia-smi has not said it, and will refuse what does not fit
    largest_first = sorted((known[name].places for name in wanted), key=lambda places: -len(places[0]))
    return _fit(largest_first, frozenset())


def _fit(left: Sequence[tuple[frozenset[int], ...]], taken: frozenset[int]) -> bool:
    return not left or any(_fit(left[1:], taken | place) for place in left[0] if not place & taken)


def shown(mode: str, parts: Sequence[str]) -> str:
    if mode != ON:
        return "not divided"
    return f"divided into {', '.join(sorted(parts)) or 'nothing'}"


def waiting(gpus: Sequence[Gpu]) -> list[str]:
    """What somebody holds back until the next boot."""
    return [
        f"MIG mode of GPU {gpu.address} is {gpu.mig_next} after the next boot, {gpu.mig} until then: somebody uses the GPU, or "
        "nobody may reset it. It is divided then"
        for gpu in gpus
        if gpu.mig != gpu.mig_next
    ]
