# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

from ansible_collections.openlab.research_server.plugins.action.conda_env import summary

GOOD = {"name": "good", "changed": True, "packages": [{"name": "app"}], "invocation": {"module_args": {}}}
BAD = {"name": "bad", "failed": True, "msg": "why, and what to do", "invocation": {"module_args": {}}, "exception": "(none)"}
UGLY = {"name": "ugly", "failed": True, "msg": "another", "stderr": "last words", "stderr_lines": ["last words"]}


def results() -> list[dict[str, t.Any]]:
    return [dict(item) for item in (GOOD, BAD, UGLY)]


def test_a_failure_shows_which_failed_and_why_and_no_more() -> None:
    told = summary(results(), whole=False)
    assert (told["failed"], told["changed"], told["msg"]) == (True, True, "why, and what to do\nanother")
    assert told["environments"] == [{"name": "bad", "failed": True}, {"name": "ugly", "failed": True, "stderr": "last words"}]


def test_who_asks_for_more_gets_all_of_it() -> None:
    assert summary(results(), whole=True)["environments"] == results()


def test_a_success_has_all_for_the_tasks_that_follow() -> None:
    told = summary([dict(GOOD)], whole=False)
    assert (told["environments"], "failed" in told) == ([GOOD], False)
