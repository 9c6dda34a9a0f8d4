# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How GPUs are set is data, against a stand-in for nvidia-smi with two GPUs that keeps state: not run on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from testinfra.host import Host

pytestmark = pytest.mark.one_release
Converge = Callable[..., Any]

UNIT = "research-server-nvidia-settings.service"
WISH = {"persistence_mode": True, "power_limit": 65, "compute_mode": "exclusive_process", "ecc": False}


@pytest.fixture
def settings(converge: Converge) -> Converge:
    """Apply the role to a host whose driver is in use, with settings."""

    def run(*arguments: str, **wish: object) -> Any:
        return converge(*arguments, nvidia_sysfs_root="/srv/machines/v100-in-use", nvidia_gpu_settings=wish)

    return run


def test_gpus_are_set_now_and_at_each_boot_and_what_somebody_changes_is_seen(host: Host, settings: Converge) -> None:
    before = host.check_output("nvidia-smi -q -x")
    foretold = settings("--check", **WISH)
    assert "power limit 65.00 W" in foretold.text
    assert host.check_output("nvidia-smi -q -x") == before
    done = settings(**WISH)
    assert done.ok, done.text
    assert "ECC of GPU 0000:5e:00.0 is Disabled after the next boot, Enabled until then" in done.text
    now = host.check_output("nvidia-smi -q -x")
    for value in (
        "<requested_power_limit>65.00 W",
        "<compute_mode>Exclusive_Process",
        "<persistence_mode>Enabled",
        "<pending_ecc>Disabled",
    ):
        assert now.count(value) == 2
    assert settings(**WISH).changed == 0

    host.check_output("nvidia-smi -i 0000:5e:00.0 -pl 70")
    drift = settings("--check", **WISH)
    assert drift.changed == 1
    assert "GPU 0000:5e:00.0: power limit 70.00 W" in drift.text

    # As after a boot, which has forgotten all but ECC.
    assert host.service(UNIT).is_enabled
    host.check_output(f"nvidia-smi -pl 70 && nvidia-smi -c DEFAULT && nvidia-smi -pm 0 && systemctl restart {UNIT}")
    assert host.check_output("nvidia-smi -q -x") == now

    assert settings().changed > 0
    assert not host.file(f"/etc/systemd/system/{UNIT}").exists


@pytest.mark.thorough
def test_what_the_gpus_cannot_do_is_refused_before_any_of_them_is_set(host: Host, settings: Converge) -> None:
    before = host.check_output("nvidia-smi -q -x")
    done = settings(power_limit=250, persistence_mode=False)
    assert not done.ok
    assert "power_limit: found 250; expected 60 to 70 W for GPU 0000:3b:00.0 (Tesla T4)" in done.text
    assert host.check_output("nvidia-smi -q -x") == before


@pytest.fixture
def _h100(host: Host) -> Iterator[None]:
    host.check_output("nvidia-smi --become /srv/two-h100.json")
    yield
    host.check_output("rm /usr/bin/nvidia-smi.json")


@pytest.mark.usefixtures("_h100")
def test_gpus_are_divided_now_and_at_each_boot_and_not_under_work(host: Host, settings: Converge) -> None:
    before = host.check_output("nvidia-smi -q -x")
    wish = {"all": ["4g.40gb", "2g.20gb", "1g.10gb"], "0000:5e:00.0": []}
    foretold = settings("--check", mig=wish)
    assert "GPU 0000:3b:00.0: divided into 1g.10gb, 2g.20gb, 4g.40gb" in foretold.text
    assert host.check_output("nvidia-smi -q -x") == before
    done = settings(mig=wish)
    assert done.ok, done.text
    parts = host.check_output("nvidia-smi mig -i 0000:3b:00.0 -lgi")
    assert [name in parts for name in ("MIG 4g.40gb", "MIG 2g.20gb", "MIG 1g.10gb")] == [True] * 3
    assert settings(mig=wish).changed == 0

    # As after a boot, which has forgotten all of it.
    host.check_output(f"nvidia-smi --become /srv/two-h100.json && systemctl restart {UNIT}")
    assert host.check_output("nvidia-smi mig -i 0000:3b:00.0 -lgi") == parts
    assert settings("--check", mig=wish).changed == 0
    host.check_output(f"systemctl restart {UNIT}")
    assert host.check_output("nvidia-smi mig -i 0000:3b:00.0 -lgi") == parts

    host.check_output("nvidia-smi mig -i 0000:3b:00.0 -dci && nvidia-smi mig -i 0000:3b:00.0 -dgi")
    drift = settings("--check", mig=wish)
    assert drift.changed == 1
    assert "GPU 0000:3b:00.0: divided into nothing" in drift.text
    assert settings(mig=wish).ok
    assert settings().changed > 0
