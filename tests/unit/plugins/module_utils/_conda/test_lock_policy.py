# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import lock_policy
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.lock import digest_of
from ansible_collections.openlab.research_server.plugins.module_utils._conda.lock_policy import follow
from ansible_collections.openlab.research_server.plugins.module_utils._conda.options import Options
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import Settings, parse
from ansible_collections.openlab.research_server.plugins.modules.conda_env import ARGUMENTS

DEFAULTS = {name: option.get("default") for name, option in ARGUMENTS.items()}
SETTINGS = Settings()
GIVEN = parse({"channels": ["lab"], "dependencies": ["app"]})
OTHER = parse({"channels": ["lab"], "dependencies": ["app=2"]})
LOCK = {
    "format": 1,
    "platform": "linux-64",
    "conda_version": "24.7.1",
    "specification": digest_of(GIVEN, SETTINGS),
    "channels": ["lab"],
    "specs": ["app"],
    "conda": [
        {
            "name": "app",
            "version": "1.0",
            "build": "0",
            "build_number": 0,
            "channel": "lab",
            "url": "http://a.example/lab/noarch/app-1.0-0.conda",
            "sha256": "a" * 64,
        }
    ],
}
ELSEWHERE = {**LOCK, "platform": "linux-aarch64"}


@pytest.mark.parametrize(
    ("given", "lock", "policy", "expected"),
    [
        (GIVEN, LOCK, None, "followed"),
        (GIVEN, json.dumps(LOCK), "require", "followed"),
        (GIVEN, LOCK, "prefer", "followed"),
        (GIVEN, LOCK, "ignore", "solved"),
        (None, LOCK, None, "followed"),
        (OTHER, LOCK, None, "has changed since it was locked (dependencies: +app=2, -app)"),
        (OTHER, LOCK, "require", "has changed since"),
        (OTHER, LOCK, "prefer", "solved on this host: the specification has changed"),
        (OTHER, LOCK, "ignore", "solved"),
        (GIVEN, None, "require", "there is no lock"),
        (GIVEN, ELSEWHERE, None, "the lock is for linux-aarch64, this host is linux-64"),
        (GIVEN, ELSEWHERE, "prefer", "solved on this host: the lock is for linux-aarch64"),
        (None, ELSEWHERE, "prefer", "the lock is for linux-aarch64"),
        (None, LOCK, "ignore", "the lock is not to be used"),
        (GIVEN, {**LOCK, "more": 1}, "prefer", "the lock unknown key 'more'"),
        (GIVEN, "{", None, "is no JSON"),
    ],
)
def test_policies(monkeypatch: pytest.MonkeyPatch, given: t.Any, lock: t.Any, policy: str | None, expected: str) -> None:
    monkeypatch.setattr(lock_policy, "this_platform", lambda: "linux-64")
    options = Options.of({**DEFAULTS, "lock": lock, "lock_policy": policy})
    try:
        specification, locked, digest = follow(given, options)
    except CondaEnvError as error:
        assert expected in error.cause
        assert error.way_out
        return
    if expected == "followed":
        assert locked is not None
        assert [item.name for item in locked.packages] == ["app"]
        assert specification.conda == ("app",)
        assert digest != GIVEN.digest(SETTINGS)
    else:
        assert locked is None
        assert digest == given.digest(SETTINGS)
        assert any(expected in note for note in specification.notes) is (expected != "solved")


def test_nothing_beside_a_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_policy, "this_platform", lambda: "linux-64")
    with pytest.raises(CondaEnvError, match="keeps what no lock names"):
        follow(GIVEN, Options.of({**DEFAULTS, "lock": LOCK, "prune": False}))


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        (Settings(denylist_channels=("lab",)), "is denied"),
        (Settings(allowlist_channels=("other",)), "is not allowed; allowed are https://conda.anaconda.org/other"),
        (Settings(denylist_channels=("https://m.example/lab",), channel_alias="https://m.example"), "m.example/lab is denied"),
        (Settings(allowlist_channels=("other", "lab"), denylist_channels=("more",)), ""),
    ],
)
def test_a_lock_from_a_forbidden_channel_is_refused_before_conda_is_asked(settings: Settings, verdict: str) -> None:
    options = dataclasses.replace(Options.of({**DEFAULTS, "lock": LOCK}), settings=settings)
    if not verdict:
        assert follow(GIVEN, options)[1] is not None
        return
    with pytest.raises(CondaEnvError, match=verdict):
        follow(GIVEN, options)
