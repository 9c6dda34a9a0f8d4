# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import stat

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._notify import spool


def told(number):
    return {"id": str(number), "subject": f"s{number}", "text": f"t{number}\n", "created": "2026-11-01T03:00:00+00:00"}


def ids(folder):
    return [spool.read(path)["id"] for path in spool.waiting(folder)]


def test_the_oldest_comes_first_and_only_its_owner_reads_it(tmp_path, monkeypatch):
    folder = tmp_path / "new"
    assert spool.waiting(folder) == []
    for number in range(5):
        assert spool.add(folder, told(number)) == 0
    # A clock that is set back.
    monkeypatch.setattr(spool.time, "time_ns", lambda: 1)
    spool.add(folder, told(5))
    assert ids(folder) == ["0", "1", "2", "3", "4", "5"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in spool.waiting(folder)} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_other_files_are_no_messages(tmp_path):
    for name in (".00000000000000000001.json.x", "1.json", "00000000000000000001.unreadable", "00000000000000000001.jsonx"):
        (tmp_path / name).write_text("{}")
    assert spool.waiting(tmp_path) == []


def test_what_had_to_make_room_is_counted_in_what_comes_later(tmp_path):
    for number in range(3):
        assert spool.add(tmp_path, told(number), limit=3) == 0
    assert spool.add(tmp_path, told(3), limit=3) == 1
    assert ids(tmp_path) == ["1", "2", "3"]
    last = spool.read(spool.waiting(tmp_path)[-1])
    assert (
        last["dropped"] == 1 and last["text"].startswith("1 older message had to make room") and last["text"].endswith("\n\nt3\n")
    )
    # The one that says so makes room itself.
    assert spool.add(tmp_path, told(4), limit=1) == 3
    last = spool.read(spool.waiting(tmp_path)[-1])
    assert ids(tmp_path) == ["4"] and last["dropped"] == 4 and last["text"].startswith("4 older messages had")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", json.dumps({**told(1), "text": 1})])
def test_what_is_no_message_can_be_put_aside(tmp_path, content):
    spool.add(tmp_path, told(1))
    (path,) = spool.waiting(tmp_path)
    path.write_text(content)
    with pytest.raises(ValueError):
        spool.read(path)
    assert spool.put_aside(path).read_text() == content and spool.waiting(tmp_path) == []


def test_a_message_that_cannot_be_read_counts_as_one(tmp_path):
    spool.add(tmp_path, told(1))
    spool.waiting(tmp_path)[0].write_text("{")
    spool.add(tmp_path, told(2), limit=1)
    assert spool.read(spool.waiting(tmp_path)[0])["dropped"] == 1
