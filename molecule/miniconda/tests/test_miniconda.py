# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real conda, from a verified installer, that researchers can use and cannot change."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_release

PREFIX = "/opt/miniconda3"
MIRROR = json.loads((Path(__file__).parents[3] / ".cache/mirror/mirror.json").read_text())


@pytest.fixture(scope="module")
def ada(host):
    host.run("id ada || useradd --create-home --shell /bin/bash ada")

    def run(command):
        return host.run("su - ada -c %s", command)

    return run


def config(host, *keys):
    return json.loads(host.check_output(f"{PREFIX}/bin/conda config --json --show {' '.join(keys)}"))


def test_it_is_the_pinned_conda(host):
    expected = MIRROR["miniconda_version"].split("_")[1].split("-")[0]
    assert host.check_output(f"{PREFIX}/bin/conda --version") == f"conda {expected}"


def test_exactly_the_configured_channels(host):
    found = config(host, "channels", "channel_alias", "default_channels", "channel_priority", "custom_channels")
    assert found["channels"] == ["conda-forge", "pytorch"]
    assert found["channel_alias"]["location"] == "mirror:8080/conda"
    assert found["default_channels"] == []
    assert found["channel_priority"] == "strict"


def test_a_user_cannot_change_the_channels(ada):
    ada("printf 'channels: [evil]\\nchannel_alias: http://evil.invalid\\nchannel_priority: disabled\\n' > ~/.condarc")
    found = json.loads(ada(f"{PREFIX}/bin/conda config --json --show channels channel_alias channel_priority").stdout)
    ada("rm ~/.condarc")
    assert found["channels"] == ["conda-forge", "pytorch"]
    assert found["channel_alias"]["location"] == "mirror:8080/conda"
    assert found["channel_priority"] == "strict"


def test_a_login_shell_has_conda_without_changed_startup_files(ada):
    before = ada("cat ~/.bashrc ~/.profile | sha256sum").stdout
    assert ada("conda activate base && python -c 'import sys; print(sys.prefix)'").stdout.strip() == PREFIX
    assert ada("cat ~/.bashrc ~/.profile | sha256sum").stdout == before


def test_a_user_makes_an_environment_of_their_own(ada):
    made = ada("conda create -y -q -n mine alpha=1.0 && ls -d ~/.conda/envs/mine && ls ~/.conda/pkgs/urls")
    assert made.rc == 0, made.stderr


def test_only_root_can_write(host, ada):
    assert host.check_output(f"find {PREFIX} ! -user root -print -quit") == ""
    assert host.check_output(f"find {PREFIX} ! -type l -perm /022 -print -quit") == ""
    refused = ada(f"{PREFIX}/bin/conda install -y -q -n base alpha")
    assert refused.rc != 0
    assert host.run(f"ls {PREFIX}/conda-meta | grep '^alpha-'").rc != 0


def test_no_installer_is_left_behind(host):
    assert host.check_output("find / -xdev -name '*.sh' -size +10M 2>/dev/null | grep -v '^/proc' || true") == ""


def apply(host, **arguments):
    """Run the role's module on the host, as the role would, with other arguments."""
    values = {
        "prefix": PREFIX,
        "url": f"http://mirror:8080/miniconda/{MIRROR['installer']}",
        "checksum": MIRROR["checksum"],
        **arguments,
    }
    text = " ".join(f"{key}={shlex.quote(value)}" for key, value in values.items())
    return host.ansible("openlab.research_server.conda_installation", text, check=False, become=True)


def test_a_wrong_checksum_runs_nothing(host):
    found = apply(host, prefix="/srv/other", checksum="sha256:" + "0" * 64)
    assert "installer" not in found
    assert "does not match" in found["msg"]
    assert MIRROR["checksum"] in found["msg"]
    assert not host.file("/srv/other").exists
    assert host.check_output("find /root /tmp /var/tmp /home -name installer.sh") == ""


def test_a_half_installed_prefix_is_repaired_and_environments_stay(host):
    host.check_output(
        f"mkdir -p {PREFIX}/envs/kept && touch {PREFIX}/envs/kept/file && rm {PREFIX}/bin/python {PREFIX}/conda-meta/python-*"
    )
    found = apply(host)
    assert found["changed"]
    assert host.run(f"{PREFIX}/bin/conda info").rc == 0
    assert host.check_output(f"ls {PREFIX}/conda-meta/python-*.json").count("\n") == 0
    assert host.file(f"{PREFIX}/envs/kept/file").exists
    assert host.check_output("ls -A /opt").split() == [".miniconda3.lock", "miniconda3"]
