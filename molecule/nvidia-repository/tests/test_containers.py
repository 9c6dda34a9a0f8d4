# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers may use the GPUs: the toolkit from a stand-in for NVIDIA's repository, Docker a stand-in. No container is run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from testinfra.host import Host

pytestmark = pytest.mark.one_release
Converge = Callable[..., Any]

CONFIGURATION = "/etc/docker/daemon.json"
THEIRS = {"log-driver": "local", "runtimes": {"runsc": {"path": "/usr/bin/runsc"}}}
# Docker as far as it matters: it reads its configuration when it starts, and when it is told to.
DOCKER = f"""\
cat > /usr/bin/dockerd <<'END'
#!/bin/sh
trap 'cp {CONFIGURATION} /run/docker.json; date +%s%N >> /run/docker-reloads' HUP
cp {CONFIGURATION} /run/docker.json; date +%s%N >> /run/docker-starts
while :; do sleep 0.1; done
END
cat > /usr/bin/docker <<'END'
#!/usr/bin/python3
import json, sys
print(json.dumps(json.load(open("/run/docker.json")).get("runtimes", {{}})))
END
cat > /etc/systemd/system/docker.service <<'END'
[Service]
ExecStart=/usr/bin/dockerd
ExecReload=/bin/sh -c 'kill -HUP $MAINPID; sleep 1'
END
chmod 0755 /usr/bin/docker /usr/bin/dockerd; systemctl daemon-reload; systemctl start docker
"""


@pytest.fixture
def _docker(host: Host, converge: Converge) -> Iterator[None]:
    host.check_output(f"mkdir -p /etc/docker && echo '{json.dumps(THEIRS)}' > {CONFIGURATION}")
    host.check_output(DOCKER)
    yield
    host.run(
        "systemctl stop docker; rm -rf /etc/docker /usr/bin/docker /usr/bin/dockerd /etc/systemd/system/docker.service; "
        "rm -rf /run/docker* /run/cdi /etc/apt/keyrings/research-server-nvidia-containers.*; "
        "apt-get purge -qq nvidia-container-toolkit; systemctl daemon-reload"
    )
    assert converge().ok


def lines(host: Host, path: str) -> int:
    return len(host.run(f"cat {path}").stdout.splitlines())


@pytest.mark.usefixtures("_docker")
def test_containers_find_the_gpus_and_nothing_that_runs_is_restarted(host: Host, converge: Converge) -> None:
    wish = {"nvidia_container_toolkit": True, "nvidia_sysfs_root": "/srv/machines/v100-in-use"}
    foretold = converge("--check", **wish)
    assert foretold.ok, foretold.text
    assert foretold.changed > 0
    assert not host.package("nvidia-container-toolkit").is_installed
    assert json.loads(host.file(CONFIGURATION).content_string) == THEIRS

    done = converge(**wish)
    assert done.ok, done.text
    assert host.package("nvidia-container-toolkit").version == "1.19.1-1"
    written = json.loads(host.file(CONFIGURATION).content_string)
    assert written == {**THEIRS, "runtimes": {**THEIRS["runtimes"], "nvidia": {"path": "nvidia-container-runtime", "args": []}}}  # type: ignore[dict-item]
    assert "nvidia" in json.loads(host.check_output("docker info"))
    assert (lines(host, "/run/docker-starts"), lines(host, "/run/docker-reloads")) == (1, 1)
    assert host.service("nvidia-cdi-refresh.path").is_enabled
    assert "Tesla T4" in host.file("/run/cdi/nvidia.yaml").content_string
    assert converge(**wish).changed == 0
    planned = host.check_output("apt-get --simulate dist-upgrade")
    assert "Inst sudo" not in planned

    # Somebody takes the runtime out, and lists are lost; Docker has been started in between.
    host.check_output(f"echo '{json.dumps(THEIRS)}' > {CONFIGURATION}; rm /run/cdi/nvidia.yaml; systemctl restart docker")
    drift = converge("--check", **wish)
    assert (drift.ok, drift.changed) == (True, 2), drift.text
    assert converge(**wish).ok
    assert host.file("/run/cdi/nvidia.yaml").exists
    assert converge(**wish).changed == 0
