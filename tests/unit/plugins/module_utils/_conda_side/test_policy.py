# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
import types
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda_side import policy

# As conda 26.9 asks its solvers; one that was made before says nothing.
CLASSIC = types.SimpleNamespace(supports_exclude_newer_global=True, supports_exclude_newer_package=True)
HALF = types.SimpleNamespace(supports_exclude_newer_global=True, supports_exclude_newer_package=False)
SILENT = types.SimpleNamespace()


@pytest.mark.parametrize(
    ("solver", "wanted", "told"),
    [
        (CLASSIC, {"exclude_newer": "7d", "exclude_newer_package": {"openssl": False}}, ""),
        (SILENT, {"denylist_channels": ["x"]}, ""),
        (SILENT, {"exclude_newer": ""}, ""),
        (SILENT, {"exclude_newer": "7d"}, "the solver rattler of conda 26.9.0 does not know 'exclude_newer'"),
        (HALF, {"exclude_newer": "7d"}, ""),
        (
            HALF,
            {"exclude_newer": "7d", "exclude_newer_package": {"x": "1d"}},
            "the solver rattler of conda 26.9.0 does not know 'exclude_newer_package'",
        ),
        (
            SILENT,
            {"channel_settings": [{"channel": "https://a.example/lab", "exclude_newer": "7d"}], "exclude_newer": "1d"},
            "the solver rattler of conda 26.9.0 does not know 'exclude_newer' and 'exclude_newer' in 'channel_settings'",
        ),
    ],
)
def test_a_solver_that_cannot_keep_to_a_limit_is_named(
    monkeypatch: pytest.MonkeyPatch, solver: t.Any, wanted: dict[str, t.Any], told: str
) -> None:
    monkeypatch.setitem(sys.modules, "conda", types.SimpleNamespace(__version__="26.9.0"))
    manager = types.SimpleNamespace(get_cached_solver_backend=lambda: solver)
    context = types.SimpleNamespace(solver="rattler", plugin_manager=manager)
    if not told:
        policy.check_solver(context, wanted)
        return
    with pytest.raises(policy.PolicyUnknownError) as error:
        policy.check_solver(context, wanted)
    assert str(error.value) == told


def test_what_is_said_of_single_channels_has_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "urls", lambda names: [f"https://a.example/{name}/{part}" for name in names for part in "mr"])
    settings = [
        {"channel": "lab", "auth": "token"},
        {"exclude_newer": "7d"},
        {"channel": "lab", "auth": "token", "exclude_newer": "7d"},
        {"channel": "https://*.example/lab", "exclude-newer": "False"},
    ]
    assert policy.limits_of_channels(settings) == [
        {"channel": "https://a.example/lab/m", "exclude_newer": "7d"},
        {"channel": "https://a.example/lab/r", "exclude_newer": "7d"},
        {"channel": "https://*.example/lab", "exclude_newer": "False"},
    ]
