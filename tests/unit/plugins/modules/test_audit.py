# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit.declared import Declared
from ansible_collections.openlab.research_server.plugins.module_utils._audit.finding import Finding
from ansible_collections.openlab.research_server.plugins.module_utils._audit.host import Host
from ansible_collections.openlab.research_server.plugins.modules import audit

RUNS = "backup ALL=(root) NOPASSWD: /usr/bin/mysqldump --password="
FOUND = Finding("keys", "one", "found", "expected", "way out", "error")


def test_what_stands_behind_a_secret_makes_another_name() -> None:
    alone, more, same, joined = (audit.name_of(f"{RUNS}{rest}") for rest in ("s3cret", "x db", "y db", "y db, /bin/sh"))
    assert alone == f"{RUNS}***"
    assert more == same and more.startswith(f"{alone} (") and joined not in (alone, more)
    assert not [name for name in (alone, more, joined) if "s3cret" in name or "/bin/sh" in name]
    assert audit.name_of("no secret at all") == "no secret at all"


@pytest.fixture
def topics(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(host: Host, _wanted: Declared) -> list[Finding]:
        host.deadline = 0.0
        return [FOUND]

    monkeypatch.setattr(audit, "TOPICS", {"keys": slow, "sudo": lambda _host, _wanted: []})


@pytest.mark.usefixtures("topics")
def test_a_topic_that_was_not_looked_at_to_the_end_is_no_clean_one(tmp_path: Path) -> None:
    host = Host(lambda *_argv, **_more: (127, "", "none"), str(tmp_path), seconds=7)
    found, broken = audit.look(host, Declared(), ["keys", "sudo"])
    assert found == [FOUND] and broken == {"keys": "not all of it in 7 s: give it more, 'audit_seconds'"}


@pytest.mark.usefixtures("topics")
def test_what_was_accepted_is_not_gone_where_nobody_looked(run_module: Callable[..., dict[str, t.Any]]) -> None:
    accepted = [{"topic": "keys", "name": "another"}, {"topic": "sudo", "name": "rule"}]
    done = run_module(audit, topics=["keys", "sudo"], accepted=accepted)
    assert done["failed"] and "could not look at keys (not all of it in " in done["msg"]
    assert [item["name"] for item in done["findings"]] == ["one"]
    assert done["notices"] == ["sudo: rule was accepted and is gone; take it out of the baseline"]
