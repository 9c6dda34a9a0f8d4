# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of the GPUs are told on loopback alone. The exporter is a stand-in, in the unit that the real one gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from testinfra.host import Host

pytestmark = pytest.mark.one_release
Converge = Callable[..., Any]

UNIT = "research-server-dcgm-exporter.service"
# The unit does not start without a driver, of which there is none here.
DROP_IN = f"/etc/systemd/system/{UNIT}.d"
FETCH = "python3 -c 'import urllib.request; print(urllib.request.urlopen(\"http://127.0.0.1:{}/metrics\", timeout=20).read())'"


@pytest.fixture(autouse=True)
def _without(host: Host) -> Iterator[None]:
    host.check_output(f"mkdir -p {DROP_IN} && printf '[Unit]\\nConditionPathExists=\\n' > {DROP_IN}/test.conf")
    yield
    host.run(
        f"systemctl disable --now {UNIT}; apt-get purge -qq datacenter-gpu-manager-exporter; "
        f"systemctl unmask nvidia-dcgm-exporter; rm -rf {DROP_IN} /etc/systemd/system/{UNIT}; systemctl daemon-reload"
    )


def listening(host: Host) -> list[str]:
    """Addresses on which the exporter listens."""
    return [line.split()[3] for line in host.check_output("ss -H -ltnp").splitlines() if "dcgm-exporter" in line or ":94" in line]


def test_metrics_are_told_on_loopback_by_a_service_without_rights(host: Host, converge: Converge) -> None:
    wish = {"nvidia_dcgm_exporter": True, "nvidia_sysfs_root": "/srv/machines/v100-in-use"}
    assert converge("--check", **wish).changed > 0
    assert not host.file(f"/etc/systemd/system/{UNIT}").exists
    done = converge(**wish)
    assert done.ok, done.text
    assert host.service(UNIT).is_enabled
    wait = "for i in $(seq 100); do ss -H -ltn | grep -q 127.0.0.1:{} && exit 0; sleep 0.1; done; exit 1"
    host.check_output(wait.format(9400))
    assert "DCGM_FI_DEV_GPU_TEMP" in host.check_output(FETCH.format(9400))
    assert listening(host) == ["127.0.0.1:9400"]
    assert host.service("nvidia-dcgm-exporter").is_masked
    shown = host.check_output(f"systemctl show -p User,DynamicUser,NoNewPrivileges,CapabilityBoundingSet,DevicePolicy {UNIT}")
    assert "DynamicUser=yes" in shown and "NoNewPrivileges=yes" in shown and "DevicePolicy=closed" in shown
    assert "CapabilityBoundingSet=\n" in f"{shown}\n"
    owner = host.check_output(f"ps -o uid= -p $(systemctl show --value -p MainPID {UNIT})")
    assert int(owner) >= 61184
    assert converge(**wish).changed == 0

    host.check_output(f"systemctl stop {UNIT}")
    assert converge("--check", **wish).changed == 1
    done = converge(**wish, nvidia_dcgm_exporter_port=9401)
    assert done.ok, done.text
    host.check_output(wait.format(9401))
    assert listening(host) == ["127.0.0.1:9401"]

    assert converge().changed > 0
    assert listening(host) == []
    assert not host.file(f"/etc/systemd/system/{UNIT}").exists
    assert converge().changed == 0
