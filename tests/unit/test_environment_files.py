# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment files as labs have them, read as the action plugin and the module do."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import Settings
from ansible_collections.openlab.research_server.tests.data.corpus import Case, cases, understand

CASES = cases()
VALID = [pytest.param(case, id=case.name) for case in CASES if case.valid]
REFUSED = [pytest.param(case, id=case.name) for case in CASES if not case.valid]
ENCODINGS = {
    "as-it-is": bytes,
    "byte-order-mark": lambda data: b"\xef\xbb\xbf" + data,
    # As PowerShell's '>' writes it.
    "utf-16": lambda data: b"\xff\xfe" + data.decode().encode("utf-16-le"),
    "utf-16-big": lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"),
    "other-line-ends": lambda data: data.replace(b"\n", b"\r\n"),
}


@pytest.fixture(autouse=True)
def controller(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in request.getfixturevalue("case").expected.get("environment", {}).items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("case", VALID)
def test_a_file_is_understood(case: Case, tmp_path: Path) -> None:
    found = understand(case, case.write(tmp_path))
    expected = case.expected
    assert list(found.conda) == expected["conda"]
    assert list(found.pip) == expected.get("pip", [])
    if "channels" in expected:
        assert list(found.channels) == expected["channels"]
    if "variables" in expected:
        assert dict(found.variables) == expected["variables"]
    if "notes" in expected:
        assert len(found.notes) == len(expected["notes"]), found.notes
        assert all(note.startswith(start) for note, start in zip(found.notes, expected["notes"], strict=True)), found.notes
    assert dict(found.pip_files) == expected.get("pip_files", {})


@pytest.mark.parametrize("case", VALID)
def test_marks_and_line_ends_of_an_editor_do_not_matter(case: Case, tmp_path: Path) -> None:
    digests = set()
    for name, transform in ENCODINGS.items():
        folder = tmp_path / name
        digests.add(understand(case, case.write(folder, transform)).digest(Settings()))
    assert len(digests) == 1


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_is_refused_with_file_line_and_cause(case: Case, tmp_path: Path) -> None:
    path = case.write(tmp_path)
    with pytest.raises(CondaEnvError) as caught:
        understand(case, path)
    message = f"{caught.value.cause}\n{caught.value.way_out}"
    assert case.expected["error"] in message
    if case.expected["error"].startswith((",", ":", " ")):
        assert message.startswith(f"{path}{case.expected['error']}")
