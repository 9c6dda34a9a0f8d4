# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.process import Completed
from ansible_collections.openlab.research_server.plugins.module_utils._conda.solve import ask, explain
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import Settings, parse
from ansible_collections.openlab.research_server.plugins.module_utils._conda.workshop import Installation, Workshop


# Type names as conda 24.7 and 26.7 raise them (conda/exceptions.py, conda-libmamba-solver, conda-anaconda-tos).
@pytest.mark.parametrize(
    ("types", "text", "cause", "way_out"),
    [
        (["UnsatisfiableError"], "a conflicts with b", "cannot be installed together: a conflicts with b", "Loosen"),
        (["LibMambaUnsatisfiableError", "UnsatisfiableError"], "a", "cannot be installed together", "Loosen"),
        (
            ["LibMambaUnsatisfiableError", "UnsatisfiableError"],
            "package a-1-0 is excluded by strict repo priority",
            "cannot be installed together",
            "'channel_priority: flexible'",
        ),
        (["InvalidMatchSpecError", "Exception"], "could not parse build number", "cannot be understood: could not", "name>=1,<2"),
        (["ResolvePackageNotFound"], "- nunpy", "not in the declared channels: - nunpy", "spelling"),
        (["PackagesNotFoundError"], "nunpy", "not in the declared channels", "spelling"),
        (
            ["PolicyUnknownError", "Exception"],
            "the solver rattler of conda 26.9.0 does not know 'exclude_newer'",
            "cannot do what the task demands, or the host's own configuration: the solver rattler",
            "do without ('miniconda_exclude_newer', or 'exclude_newer' in the host's condarc)",
        ),
        (
            ["SeveralChannelsError"],
            "'defaults::x' may come from",
            "that stands for several: 'defaults::x'",
            "or write the name alone",
        ),
        (["UnavailableInvalidChannel", "ChannelError"], "404", "no conda channel", "channel_alias"),
        (["ChannelError", "CondaError"], "a channel names itself", "no conda channel: a channel names itself", "channel_alias"),
        (["CondaHTTPError"], "000", "cannot be reached", "network"),
        (["CondaMultiError", "ChecksumMismatchError"], "sha256", "not what the channel announced", "cache"),
        (
            ["CondaToSNonInteractiveError", "CondaToSError", "CondaError", "Exception"],
            "Terms of Service have not been accepted for the following channels. Please accept or remove them before proceeding:\n"
            "    - https://repo.anaconda.com/pkgs/main\n",
            "acceptance of its terms of service: Terms of Service have not been accepted for the following channels. Please accept "
            "or remove them before proceeding: - https://repo.anaconda.com/pkgs/main",
            "conda tos accept",
        ),
        (
            ["CondaToSRejectedError", "CondaToSError", "CondaError"],
            "Terms of Service has been rejected for the following channels.",
            "terms of service",
            "conda-forge",
        ),
        (["CondaToSMissingError", "CondaToSError"], "No Terms of Service for main.", "terms of service", "conda-forge"),
        (["ModuleNotFoundError", "ImportError"], "No module named 'conda'", "installation does not work: No module", "Repair"),
        (["NoSpaceLeftError"], "disk", "no space left", "Free"),
        (["OSError"], "[Errno 28] No space left on device", "no space left", "Free"),
        (["SomethingNew"], "what\n\n  happened", "conda failed: what happened", ""),
    ],
)
def test_an_exception_of_conda_becomes_cause_and_way_out(types: list[str], text: str, cause: str, way_out: str) -> None:
    error = explain({"types": types, "text": text})
    assert cause in error.cause
    assert way_out in error.way_out
    assert text.split("\n", maxsplit=1)[0] in error.raw + error.cause


def test_a_long_explanation_is_cut_in_the_message_only() -> None:
    error = explain({"types": ["UnsatisfiableError"], "text": "x" * 5000})
    assert len(error.cause) < 2000
    assert "x" * 5000 in error.raw


FOUND: dict[str, t.Any] = {"conda_version": "26.9.4", "packages": [], "kept": [], "notes": [], "solver": "x"}
LOCKED = {"types": ["OperationalError", "DatabaseError", "Exception"], "text": "database is locked"}
ALTERED = {"types": ["CondaMultiError", "SafetyError", "CondaError"], "text": "sha256 of a/b"}


@pytest.mark.parametrize(
    ("error", "install", "differs"),
    [
        (LOCKED, True, {"shards"}),
        (LOCKED, False, {"shards"}),
        (ALTERED, True, {"extract_again"}),
        (ALTERED, False, None),
        ({"types": ["OperationalError"], "text": "no such table"}, True, None),
        ({"types": ["UnsatisfiableError"], "text": "a conflicts with b"}, True, None),
    ],
)
def test_what_a_second_try_can_get_around_is_tried_once_more(
    tmp_path: Path, error: dict[str, t.Any], install: bool, differs: set[str] | None
) -> None:
    asked: list[dict[str, t.Any]] = []

    def run(argv: Sequence[str], _environment: Mapping[str, str]) -> Completed:
        asked.append(json.loads(Path(argv[-2]).read_text()))
        Path(argv[-1]).write_text(json.dumps({"error": error} if len(asked) == 1 else FOUND))
        return Completed(0, "", "")

    def solve() -> str:
        conda = Installation(str(tmp_path / "root"), str(tmp_path / "pkgs"), Settings())
        wanted = parse({"channels": ["c"], "dependencies": ["a"]}, {})
        prefix, scratch = str(tmp_path / "envs/x"), str(tmp_path)
        return ask(Workshop(conda, run, {}, scratch), wanted, prefix, install=install).conda_version

    if differs is None:
        with pytest.raises(CondaEnvError):
            solve()
        assert len(asked) == 1
    else:
        assert solve() == "26.9.4"
        first, second = asked
        assert {key for key in first if first[key] != second[key]} == differs


@pytest.mark.parametrize(("written", "counts"), [(json.dumps(FOUND), True), (json.dumps(FOUND)[:-1], False), ("", False)])
def test_an_answer_counts_when_it_is_whole(tmp_path: Path, written: str, counts: bool) -> None:
    """The program was killed by a signal after it, or while it wrote it."""

    def run(argv: Sequence[str], _environment: Mapping[str, str]) -> Completed:
        Path(argv[-1]).write_text(written)
        return Completed(-11, "", "")

    workshop = Workshop(Installation(str(tmp_path / "root"), str(tmp_path / "pkgs"), Settings()), run, {}, str(tmp_path))
    wanted = parse({"channels": ["c"], "dependencies": ["a"]}, {})
    if counts:
        assert ask(workshop, wanted, str(tmp_path / "envs/x"), install=True).conda_version == "26.9.4"
    else:
        with pytest.raises(CondaEnvError, match=r"does not work \(exit code -11\)"):
            ask(workshop, wanted, str(tmp_path / "envs/x"), install=True)
