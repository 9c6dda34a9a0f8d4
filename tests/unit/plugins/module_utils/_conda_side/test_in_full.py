# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda_side import in_full

PLACES = {"defaults": ["https://a.example/main", "https://a.example/r"], "conda-forge": ["https://b.example/conda-forge"]}


@pytest.fixture(autouse=True)
def channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_full, "channel_of", lambda spec: spec.rpartition("::")[0] or None)
    monkeypatch.setattr(in_full, "places", lambda channel: PLACES.get(channel, [channel]))


def test_a_channel_that_stands_for_several_is_named_with_them() -> None:
    with pytest.raises(in_full.SeveralChannelsError) as told:
        in_full.check_specs(["numpy", "conda-forge::numpy", "defaults::scipy=1"])
    assert str(told.value) == (
        "'defaults::scipy=1' may come from https://a.example/main, https://a.example/r, and the solver rattler looks into one"
    )


def test_every_other_specification_is_let_through() -> None:
    in_full.check_specs(["numpy", "conda-forge::numpy>=1", "https://a.example/main::scipy"])
