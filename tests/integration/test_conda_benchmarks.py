# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmarks run, on a small environment. How fast it is, they say themselves; no test does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.openlab.research_server.tests.integration.real_conda import ROOT, Conda

sys.path.insert(0, str(ROOT / "bench"))
import conda_env_info
import conda_env_noop
import conda_env_task
import conda_lock
import conda_sample
from side_by_side import Times, ratio, table


@pytest.fixture(scope="module")
def sample(conda: Conda, tmp_path_factory: pytest.TempPathFactory) -> conda_sample.Sample:
    return conda_sample.fill(conda, tmp_path_factory.mktemp("sample"), records=8, distributions=2, files=3)


def test_a_run_without_changes_beside_conda(sample: conda_sample.Sample) -> None:
    assert str(sample).startswith("8 conda records, 2 pip distributions, conda ")
    times = conda_env_noop.measure(sample, rounds=1)
    assert {len(side.seconds) for side in times.values()} == {1}
    assert 0 < times[conda_env_noop.OURS].median < times[conda_env_noop.WHOLE].median


def test_a_changed_environment_is_not_measured(sample: conda_sample.Sample) -> None:
    changed = conda_sample.Sample(sample.conda, sample.file.with_name("other.yml"), 8, 2)
    changed.file.write_text(sample.file.read_text().replace("dist001==1.0", "dist001"))
    with pytest.raises(SystemExit, match="the specification has changed"):
        conda_env_noop.measure(changed, rounds=1)
    conda_sample.apply(sample.conda, yaml.safe_load(sample.file.read_text()))


def test_whole_tasks_in_turns(sample: conda_sample.Sample) -> None:
    times = conda_env_task.measure(sample, rounds=2)
    assert {name: len(side.seconds) for name, side in times.items()} == dict.fromkeys(times, 2)
    assert conda_env_task.OURS in times


def test_verification_beside_sha256sum(sample: conda_sample.Sample, capsys: pytest.CaptureFixture[str]) -> None:
    times = conda_env_info.measure(str(sample.prefix), rounds=1)
    assert set(times) == {conda_env_info.OURS, conda_env_info.PEER}
    assert " 0 problems, 0 unusable records" in capsys.readouterr().out


def test_the_last_line_is_the_ratio(tmp_path: Path) -> None:
    conda_env_info.synthetic(tmp_path, packages=2, files=2, size=10, large=20)
    program = [sys.executable, ROOT / "bench/conda_env_info.py", "--prefix", tmp_path, "--rounds", "1"]
    done = subprocess.run(program, check=True, capture_output=True, text=True)
    assert re.fullmatch(r"verify_vs_sha256sum=[0-9.e+-]+", done.stdout.splitlines()[-1])


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    """In the third round something else has kept ours waiting. The medians would be 2 and 6."""
    times = {"ours": Times((1.0, 2.0, 9.0)), "peer": Times((4.0, 8.0, 6.0))}
    assert ratio(times, "ours", "peer") == "0.25"
    assert table(times).splitlines()[1].split() == ["ours", "2000.0", "1000.0", "9000.0", "3"]


def test_a_lock_beside_conda_and_links(conda: Conda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conda_lock, "DEFINITION", {"channels": ["lab"], "dependencies": ["single"]})
    times = conda_lock.measure(conda, tmp_path, rounds=1)
    assert list(times) == [conda_lock.OURS, conda_lock.PEER, conda_lock.FLOOR]
