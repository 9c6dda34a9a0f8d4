# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse packages for a GPU that the host's driver cannot run, before the first download. Private to this collection."""

from __future__ import annotations

import typing as t

from .._nvidia.cuda import Offer, judge
from .._nvidia.cuda_needs import of_records


class CudaMismatchError(Exception):
    """The CUDA of a package does not fit the driver."""


def check_gpu(records: list[t.Any], offer: t.Sequence[t.Any]) -> list[str]:
    """Notes on packages that fit; `offer` holds the fields of an `Offer`."""
    verdict = judge(of_records(records), Offer(*offer))
    if verdict.problem:
        raise CudaMismatchError(verdict.problem)
    return list(verdict.notes)
