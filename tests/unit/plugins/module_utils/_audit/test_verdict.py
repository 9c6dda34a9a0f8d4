# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit.finding import Finding
from ansible_collections.openlab.research_server.plugins.module_utils._audit.verdict import Verdict, Waiver, judge

TODAY = datetime.date(2026, 11, 26)
WEB = Finding("listeners", "tcp 0.0.0.0:80 web of root", "web listens", "nothing", "stop it")
SUDO = Finding("accounts", "mallory in sudo", "mallory is in sudo", "declared groups", "gpasswd -d mallory sudo", "error")
REBOOT = Finding("health", "reboot", "a reboot is due", "none", "reboot", "notice")
WAIVER = {
    "topic": "listeners",
    "name": "tcp * of root",
    "owner": "ada",
    "reason": "until the course ends",
    "expires": "2026-11-27",
}
TOPICS = ("accounts", "health", "listeners")
PROFILE = Finding("start-up files", "/etc/profile", "others than root can change it", "root's alone", "chmod", "error")
WRITABLE = Finding("privileged files", "/etc/profile: writable by everybody", "mode 0666", "root's alone", "chmod", "error")


def verdict(
    *findings: Finding,
    accepted: t.Sequence[tuple[str, str]] = (),
    waivers: t.Sequence[dict[str, str]] = (),
    topics: t.Sequence[str] = TOPICS,
) -> Verdict:
    return judge(findings, accepted, [Waiver.of(item) for item in waivers], topics, TODAY)


def test_what_is_not_accepted_is_drift_and_told_once() -> None:
    assert verdict(WEB, SUDO, WEB) == Verdict((SUDO, WEB), ())


def test_what_is_accepted_is_none_and_told_when_it_is_gone() -> None:
    baseline = [(WEB.topic, WEB.name)]
    assert verdict(WEB, accepted=baseline) == Verdict((), ())
    assert verdict(accepted=baseline).notices == (
        "listeners: tcp 0.0.0.0:80 web of root was accepted and is gone; take it out of the baseline",
    )
    # Where nobody looked, nothing is gone.
    assert verdict(accepted=baseline, topics=["accounts"]) == Verdict((), ())


def test_work_that_is_due_is_a_notice_unless_it_was_accepted() -> None:
    assert verdict(REBOOT) == Verdict((), ("health: reboot: a reboot is due; reboot",))
    assert verdict(REBOOT, accepted=[("health", "reboot")]) == Verdict((), ())


@pytest.mark.parametrize(
    ("changes", "drift", "told"),
    [
        ({}, False, "is waived until 2026-11-27 (ada: until the course ends)"),
        ({"expires": "2026-11-26"}, True, ""),
        ({"topic": "accounts"}, True, "the waiver 'tcp * of root' of ada matches nothing"),
        ({"name": "udp *"}, True, "the waiver 'udp *' of ada matches nothing"),
        ({"topic": "keys"}, True, ""),  # nobody looked there
    ],
)
def test_a_waiver_counts_for_what_it_names_and_until_the_day_that_it_names(
    changes: dict[str, str], drift: bool, told: str
) -> None:
    found = verdict(WEB, waivers=[{**WAIVER, **changes}])
    assert bool(found.drift) == drift
    assert (told in "".join(found.notices)) and bool(found.notices) == bool(told)


def test_an_expired_waiver_is_named_in_what_was_found() -> None:
    (finding,) = verdict(WEB, waivers=[{**WAIVER, "expires": "2026-11-25"}]).drift
    assert finding.found == "web listens; its waiver (ada: until the course ends) has expired on 2026-11-25"
    assert finding.name == WEB.name


def test_a_date_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match=r"audit_waivers: found the date '30.9.2027' for listeners 'tcp \* of root'; expected"):
        Waiver.of({**WAIVER, "expires": "30.9.2027"})


@pytest.mark.parametrize("what", ["writable by everybody", "in other hands than root's"])
def test_who_can_write_a_file_is_told_by_the_topic_of_that_file(what: str) -> None:
    walked = dataclasses.replace(WRITABLE, name=f"/etc/profile: {what}")
    assert verdict(walked, PROFILE).drift == (PROFILE,)
    assert verdict(walked, WEB).drift == (WEB, walked)


@pytest.mark.parametrize("name", ["/etc/profile: set-user-ID of root", "/etc/profile: x: writable by everybody"])
def test_anything_else_is_told_beside_it(name: str) -> None:
    other = dataclasses.replace(WRITABLE, name=name)
    assert verdict(other, PROFILE).drift == (other, PROFILE)


def test_only_the_walk_over_all_files_repeats_others() -> None:
    of_sudo = dataclasses.replace(WRITABLE, topic="sudo")
    assert verdict(of_sudo, PROFILE).drift == (PROFILE, of_sudo)
    # A file may be called as a finding is.
    beside = dataclasses.replace(WRITABLE, name=f"{WRITABLE.name}: writable by everybody")
    assert verdict(WRITABLE, beside).drift == (WRITABLE, beside)


def test_what_was_accepted_or_waived_or_is_a_notice_tells_nothing_of_rights() -> None:
    waiver = {**WAIVER, "topic": PROFILE.topic, "name": PROFILE.name}
    assert verdict(WRITABLE, PROFILE, accepted=[(PROFILE.topic, PROFILE.name)]) == Verdict((WRITABLE,), ())
    assert verdict(WRITABLE, PROFILE, waivers=[waiver]).drift == (WRITABLE,)
    assert verdict(WRITABLE, dataclasses.replace(PROFILE, severity="notice")).drift == (WRITABLE,)


def test_what_is_not_told_again_is_there_for_the_baseline_and_for_waivers() -> None:
    topics = (PROFILE.topic, WRITABLE.topic)
    assert verdict(WRITABLE, PROFILE, accepted=[(WRITABLE.topic, WRITABLE.name)], topics=topics) == Verdict((PROFILE,), ())
    found = verdict(WRITABLE, PROFILE, waivers=[{**WAIVER, "topic": WRITABLE.topic, "name": "/etc/*"}], topics=topics)
    assert found.drift == (PROFILE,)
    assert [notice.partition(" is waived until")[0] for notice in found.notices] == [f"{WRITABLE.topic}: {WRITABLE.name}"]
    # The day after: its end is told by the one that is told.
    over = verdict(WRITABLE, PROFILE, waivers=[{**WAIVER, "topic": PROFILE.topic, "name": "/etc/*", "expires": "2026-11-25"}])
    assert [(finding.topic, "has expired" in finding.found) for finding in over.drift] == [(PROFILE.topic, True)]


def test_a_bracket_in_a_waiver_is_a_bracket() -> None:
    database = Finding("listeners", "tcp6 [::]:5432 postgres of postgres", "it listens", "nothing", "stop it")
    waived = verdict(database, waivers=[{**WAIVER, "name": "tcp6 [::]:5432 *"}])
    assert not waived.drift and "is waived until 2026-11-27" in waived.notices[0]
    assert verdict(WEB, waivers=[{**WAIVER, "name": "tcp 0.0.0.0:80 [w]eb of root"}]).drift == (WEB,)


def test_a_waiver_that_is_renewed_counts() -> None:
    over = {**WAIVER, "expires": "2025-01-01", "owner": "bob"}
    for waivers in ([over, WAIVER], [WAIVER, over]):
        found = verdict(WEB, waivers=waivers)
        assert not found.drift and len(found.notices) == 1 and "is waived until 2026-11-27 (ada" in found.notices[0]
