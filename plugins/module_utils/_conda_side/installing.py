# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let conda link packages into a prefix. Private to this collection."""

# ruff: noqa: PLC0415  conda exists only where this runs
from __future__ import annotations

import typing as t


def install(
    prefix: str, specs: list[t.Any], records: list[t.Any], check: t.Callable[[], None], unlink: t.Sequence[t.Any] = ()
) -> None:
    """Download, verify and link records into a prefix. `check` is called before the first file is linked."""
    from conda.core.link import PrefixSetup, UnlinkLinkTransaction

    transaction = UnlinkLinkTransaction(
        PrefixSetup(
            target_prefix=prefix,
            unlink_precs=tuple(unlink),
            link_precs=tuple(records),
            remove_specs=(),
            update_specs=tuple(specs),
            neutered_specs=(),
        )
    )
    transaction.download_and_extract()
    check()
    transaction.execute()


def set_variables(prefix: str, variables: dict[str, str]) -> None:
    """Set the environment variables that conda's activation exports."""
    from conda.core.prefix_data import PrefixData

    PrefixData(prefix).set_environment_env_vars(variables)
