# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the CUDA of an environment fits the host's driver. Private to this collection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .._nvidia.cuda import NO_GPU, WAY_OUT, Need, Offer, beside, judge, version
from .._nvidia.cuda_needs import of_distributions, of_records, of_requirements
from .._nvidia.reading import Gpus
from .contents import records
from .errors import CondaEnvError
from .records import pip_packages

NONE = "none"
# conda's own word for what a driver offers.
_OVERRIDE = "CONDA_OVERRIDE_CUDA"


def offer_of(gpus: Gpus, stated: str) -> Offer:
    """What an environment on this host is compared with. Raises CondaEnvError if more is stated than there is."""
    own = gpus.offer
    if stated == NONE:
        return NO_GPU
    if stated and own.cuda and version(stated) > version(own.cuda):
        raise CondaEnvError(
            f"cuda: found {stated}; expected at most {own.cuda}, which driver {own.driver} of this host offers",
            "State what the oldest driver of your GPU hosts offers, or give this host a newer driver ('nvidia_version').",
        )
    # A driver that offers none is too old, whatever is stated.
    return own if own.driver else own._replace(cuda=stated)


def variables(gpus: Gpus, stated: str) -> dict[str, str]:
    """Variables with which conda chooses for that.

    It asks the driver itself, which cannot answer before it is loaded: what is installed then counts.
    """
    if stated:
        return {_OVERRIDE: "" if stated == NONE else stated}
    return {_OVERRIDE: gpus.offer.cuda} if gpus.offer.cuda and not gpus.loaded else {}


def fitting(needs: Sequence[Need], offer: Offer) -> list[str]:
    """Notes on packages that can be used on the host. Raises CondaEnvError for those that cannot."""
    verdict = judge(needs, offer)
    if verdict.problem:
        raise CondaEnvError(verdict.problem, WAY_OUT)
    return list(verdict.notes)


def needs_of_prefix(prefix: str) -> list[Need]:
    """Needs of all that is installed in a prefix."""
    return [*_needs_of_conda(prefix), *_needs_of_pip(prefix)]


def needs_of_pip(prefix: str) -> list[Need]:
    """Needs of what pip has installed in a prefix, as it has chosen it, beside what conda has."""
    return beside(_needs_of_pip(prefix), _needs_of_conda(prefix))


def _needs_of_conda(prefix: str) -> list[Need]:
    return of_records(record for _path, record in records(prefix) if record)


def _needs_of_pip(prefix: str) -> list[Need]:
    return of_distributions((package.name, package.version) for package in pip_packages(prefix))


def needs_of_lines(lines: Iterable[str]) -> list[Need]:
    """Needs of packages as they stand in plans."""
    listed = list(lines)
    pip = [line.partition(" ")[2] for line in listed if line.startswith("pip: ")]
    return [*of_records(_records(listed)), *of_requirements(pip)]


def _records(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    for line in lines:
        yield dict(zip(("name", "version", "build"), line.split()))
