# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.openlab.research_server.plugins.module_utils._conda_side.configure import condarc


def asked(**changes: t.Any) -> dict[str, t.Any]:
    plain: dict[str, t.Any] = {"channels": ["lab"], "channel_priority": "flexible", "custom_channels": {}, "pkgs_dirs": ["/p"]}
    plain |= {"envs_dir": "/e", "offline": False, "channel_alias": "", "default_channels": [], "shards": True}
    return condarc({**plain, **changes})


def test_a_channel_cannot_bring_others_along() -> None:
    """conda after 26.9 looks into channels that a channel names (CEP 42), unless told otherwise."""
    assert asked()["channel_relations_max_depth"] == 0


def test_shards_of_an_index_are_used_unless_they_fail() -> None:
    assert not {"repodata_use_shards", "plugins"} & set(asked())
    without = asked(shards=False)
    assert (without["repodata_use_shards"], without["plugins"]) == (False, {"use_sharded_repodata": False})
