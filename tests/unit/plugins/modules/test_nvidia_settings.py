# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against a stand-in for nvidia-smi that keeps state: not run on a GPU."""

from __future__ import annotations

import json
import os
import shutil
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.modules import nvidia_settings

STAND_IN = Path(__file__).parents[1] / "data/nvidia/stand_in_nvidia_smi.py"
TWO_H100 = STAND_IN.with_name("two-h100.json")
FIRST, SECOND = "0000:3b:00.0", "0000:5e:00.0"
Settings = Callable[..., dict[str, t.Any]]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bin/nvidia-smi"
    path.parent.mkdir()
    shutil.copy(STAND_IN, path)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    return path


@pytest.fixture
def settings(run_module: Settings, program: Path) -> Settings:
    return lambda **arguments: run_module(nvidia_settings, **arguments)


def test_each_gpu_is_set_once(settings: Settings) -> None:
    wish = {"power_limit": 65.5, "compute_mode": "prohibited", "persistence_mode": True}
    foretold = settings(check_mode=True, **wish)
    done = settings(**wish)
    assert foretold["diff"] == done["diff"]
    assert done["diff"]["after"].count("power limit 65.50 W") == 2
    assert (foretold["gpus"][0]["power_limit"], done["gpus"][1]["power_limit"]) == ("70.00 W", "65.50 W")
    again = settings(**wish)
    assert (done["changed"], again["changed"]) == (True, False)
    assert again["diff"]["before"] == again["diff"]["after"] == done["diff"]["after"]


def test_what_is_not_wished_for_is_left_alone(settings: Settings) -> None:
    nothing, as_it_is = settings(), settings(ecc=True)
    # What was asked for; which versions of Ansible tell it differs.
    for result in (nothing, as_it_is):
        result.pop("invocation", None)
    assert nothing == {**as_it_is, "diff": {"before": "", "after": ""}}


def test_ecc_waits_for_the_next_boot(settings: Settings) -> None:
    assert settings(ecc=False)["notices"][0].startswith("ECC of GPU 0000:3b:00.0 is Disabled after the next boot")
    assert settings(ecc=False)["changed"] is False


def test_what_cannot_be_set_is_refused_before_anything_is_set(settings: Settings) -> None:
    refused = settings(power_limit=30, persistence_mode=True)
    assert refused["failed"]
    assert "power_limit: found 30; expected 60 to 70 W" in refused["msg"]
    assert settings()["gpus"][0]["persistence_mode"] == "Disabled"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("echo 'No devices were found'; exit 6", "nvidia-smi -q -x: No devices were found"),
        ("echo 'Driver/library version mismatch'", "expected what 'nvidia-smi -q -x' prints"),
        ("echo '<nvidia_smi_log/>'", "nvidia-smi names no GPU"),
    ],
)
def test_a_driver_that_does_not_answer_is_told(settings: Settings, program: Path, text: str, says: str) -> None:
    program.write_text(f"#!/bin/sh\n{text}\n")
    result = settings(ecc=True)
    assert result["failed"]
    assert says in result["msg"]


def test_a_setting_that_does_not_take_is_told(settings: Settings, program: Path) -> None:
    program.write_text(f'#!/bin/sh\n[ "$1" != -i ] || exit 0\nexec {STAND_IN} "$@"\n')
    result = settings(power_limit=65)
    assert result["failed"]
    assert "nvidia-smi has not set power limit of GPU 0000:3b:00.0: 70.00 W, expected 65.00 W" in result["msg"]


@pytest.mark.parametrize("says", ["[GPU is lost]", "ERR!", "[Unknown Error]", "[GPU requires reset]"])
def test_a_gpu_that_does_not_answer_is_named_and_the_others_are_set(settings: Settings, program: Path, says: str) -> None:
    settings(compute_mode="prohibited")
    state = program.with_suffix(".json")
    first, second = (gpus := json.loads(state.read_text()))
    fields = ("persistence_mode", "compute_mode", "power_limit", "ecc", "mig")
    gpus[second] |= dict.fromkeys(fields, says) | {"limits": [says, says]}
    state.write_text(json.dumps(gpus))
    wish = {"persistence_mode": True, "power_limit": 65, "ecc": False}
    for check_mode in (True, False):
        done = settings(check_mode=check_mode, **wish)
        assert done["changed"] and SECOND not in done["diff"]["after"]
        assert done["notices"][0].startswith(f"GPU {SECOND} does not answer (found '{says}') and is left as it is")
    assert [gpu["power_limit"] for gpu in done["gpus"]] == ["65.00 W"]
    assert settings(**wish)["changed"] is False
    gpus[first] = gpus[second]
    state.write_text(json.dumps(gpus))
    failed = settings(**wish)
    assert failed["failed"] and f"GPU {FIRST} does not answer" in failed["msg"]


class H100:
    """Two of them, which can be divided."""

    def __init__(self, program: Path, settings: Settings) -> None:
        self.state, self.settings = program.with_suffix(".json"), settings
        shutil.copy(TWO_H100, self.state)

    def change(self, **more: t.Any) -> None:
        gpus = json.loads(self.state.read_text())
        self.state.write_text(json.dumps({address: {**gpu, **more} for address, gpu in gpus.items()}))

    def mig(self, *arguments: t.Any, **wish: t.Any) -> dict[str, t.Any]:
        return self.settings(mig={"all": list(arguments)} if arguments else wish)

    @property
    def parts(self) -> list[tuple[str, list[str]]]:
        gpus = json.loads(self.state.read_text()).values()
        return [(gpu["mig"], sorted(part["name"] for part in gpu.get("parts", ()) if part["compute"])) for gpu in gpus]


@pytest.fixture
def h100(program: Path, settings: Settings) -> H100:
    return H100(program, settings)


def test_gpus_are_divided_once_and_made_whole_again(h100: H100, settings: Settings) -> None:
    wish: dict[str, t.Any] = {"all": ["1g.10gb", "2g.20gb", "4g.40gb"], SECOND: []}
    foretold = settings(check_mode=True, mig=wish, power_limit=650)
    assert h100.parts == [("Disabled", [])] * 2
    done = settings(mig=wish, power_limit=650)
    assert foretold["diff"] == done["diff"]
    assert f"GPU {FIRST}: divided into 1g.10gb, 2g.20gb, 4g.40gb\nGPU {SECOND}: not divided\n" in done["diff"]["after"]
    assert h100.parts == [("Enabled", ["1g.10gb", "2g.20gb", "4g.40gb"]), ("Disabled", [])]
    assert [gpu["power_limit"] for gpu in done["gpus"]] == ["650.00 W", "650.00 W"]
    # The order is no difference.
    assert settings(mig={FIRST: ["4g.40gb", "1g.10gb", "2g.20gb"]})["changed"] is False
    assert settings(mig={FIRST: ["3g.40gb", "3g.40gb"]})["changed"] is True
    assert h100.parts[0] == ("Enabled", ["3g.40gb", "3g.40gb"])
    assert settings(mig={"all": []})["changed"] is True
    assert h100.parts == [("Disabled", [])] * 2
    assert settings(mig={"all": []})["changed"] is False


def test_a_part_that_nobody_can_use_is_a_difference(h100: H100) -> None:
    assert h100.mig("3g.40gb")["changed"]
    part = {"name": "3g.40gb", "id": 1, "start": 4, "size": 4, "compute": False}
    h100.change(parts=[part])
    done = h100.mig("3g.40gb")
    assert f"GPU {FIRST}: divided into 3g.40gb with 0 compute instances" in done["diff"]["before"]
    assert h100.parts == [("Enabled", ["3g.40gb"])] * 2


@pytest.mark.parametrize("old", [False, True], ids=["the driver lists profiles before", "the driver lists them afterwards"])
@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (["3g.20gb"], "mig: found 3g.20gb; GPU 0000:3b:00.0 (NVIDIA H100 80GB HBM3) has 1g.10gb, 1g.10gb+me, 1g.20gb, 2g.20gb"),
        (["4g.40gb", "3g.40gb", "1g.10gb"], "has no room for these together: 4g.40gb (1 at most), 3g.40gb (2 at most)"),
        (["1g.10gb+me", "1g.10gb+me"], "has no room for these together: 1g.10gb+me (1 at most)"),
    ],
)
def test_what_a_gpu_cannot_be_divided_into_is_refused(h100: H100, parts: list[str], says: str, old: bool) -> None:
    h100.change(old=old)
    refused = h100.mig(*parts)
    assert refused["failed"] and says in refused["msg"]
    assert h100.parts == [("Disabled", [])] * 2


def test_a_gpu_that_somebody_uses_stays_as_it_is(h100: H100) -> None:
    assert h100.mig("3g.40gb", "3g.40gb")["changed"]
    h100.change(processes=[[4711, "python3"]])
    assert h100.mig("3g.40gb", "3g.40gb")["changed"] is False
    refused = h100.mig("7g.80gb")
    assert refused["failed"]
    assert "is divided into 3g.40gb, 3g.40gb, expected divided into 7g.80gb; it is used by python3 (4711)" in refused["msg"]


def test_a_mode_that_waits_for_a_boot_is_told_and_no_difference(h100: H100) -> None:
    h100.change(held=True)
    for changed in (True, False):
        done = h100.mig("7g.80gb")
        assert done["changed"] is changed
        assert f"MIG mode of GPU {FIRST} is Enabled after the next boot, Disabled until then" in done["notices"][0]


def test_what_the_driver_refuses_is_told_with_what_was_there(h100: H100) -> None:
    assert h100.mig("3g.40gb", "3g.40gb")["changed"]
    h100.change(held=True)
    refused = h100.mig("7g.80gb")
    assert refused["failed"]
    assert "In use by another client. GPU 0000:3b:00.0 was divided into 3g.40gb, 3g.40gb before" in refused["msg"]


def test_a_gpu_that_cannot_be_divided_is_refused_and_one_that_is_not_there(settings: Settings) -> None:
    refused = settings(mig={"all": ["1g.10gb"], "0000:99:00.0": []})["msg"]
    assert "mig: GPU 0000:3b:00.0 (Tesla T4) cannot be divided" in refused
    assert "mig: found 0000:99:00.0; expected 'all', or a GPU of this host: 0000:3b:00.0, 0000:5e:00.0" in refused
    assert settings(mig={"all": []})["changed"] is False
    assert "expected a list of GPU instance profiles" in settings(mig={"all": "1g.10gb"})["msg"]


def test_the_roles_own_exporter_of_metrics_rests_while_a_gpu_is_divided(h100: H100, program: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    (program.parent / "systemctl").write_text(f'#!/bin/sh\n[ "$1" = is-active ] || echo "$@" >> {log}\n')
    (program.parent / "systemctl").chmod(0o755)
    assert h100.mig("7g.80gb", "7g.80gb")["failed"]
    assert not log.exists()
    assert h100.mig("7g.80gb")["changed"]
    assert log.read_text().splitlines() == [f"{verb} research-server-dcgm-exporter.service" for verb in ("stop", "start")]
    h100.change(held=True)
    assert h100.mig("3g.40gb")["failed"]
    assert log.read_text().splitlines()[-1] == "start research-server-dcgm-exporter.service"
