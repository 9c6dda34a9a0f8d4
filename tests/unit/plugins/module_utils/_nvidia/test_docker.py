# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia import docker

OURS = {"path": "nvidia-container-runtime", "args": []}


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_without_a_file_there_is_one(text: str | None) -> None:
    assert json.loads(docker.configured(text)) == {"runtimes": {"nvidia": OURS}}


def test_what_others_have_written_stays_in_its_order() -> None:
    theirs = {
        "log-opts": {"tag": "{{.Name}}", "env": "\u00e4"},
        "runtimes": {"runsc": {"path": "runsc"}},
        "default-runtime": "runsc",
    }
    found = json.loads(docker.configured(json.dumps(theirs)))
    assert list(found) == list(theirs)
    assert found == {**theirs, "runtimes": {"runsc": {"path": "runsc"}, "nvidia": OURS}}


@pytest.mark.parametrize(
    "mine",
    ['{"path": "/usr/bin/nvidia-container-runtime", "args": []}', '{"path":"nvidia-container-runtime","args":["--debug"]}'],
)
def test_a_runtime_that_is_there_is_left_as_it_is_written(mine: str) -> None:
    text = f'{{"runtimes": {{"nvidia": {mine}}}}}'
    assert docker.configured(text) == text


def test_another_program_under_that_name_is_replaced() -> None:
    assert json.loads(docker.configured('{"runtimes": {"nvidia": {"path": "runc"}}}')) == {"runtimes": {"nvidia": OURS}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "found no JSON"),
        ("[]", "expected a JSON object"),
        ('{"runtimes": ["nvidia"]}', 'found runtimes: \\["nvidia"\\]; expected an object'),
    ],
)
def test_what_docker_would_not_read_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        docker.configured(text)
