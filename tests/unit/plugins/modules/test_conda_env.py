# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever goes wrong in a conda module, the credentials in its arguments stay in them."""

from __future__ import annotations

import json
import types
import typing as t
from collections.abc import Callable

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError, answer
from ansible_collections.openlab.research_server.plugins.module_utils._host.module import Module
from ansible_collections.openlab.research_server.plugins.modules import (
    conda_archive,
    conda_env,
    conda_env_info,
    conda_installation,
    conda_lock,
)

CHANNEL = "https://ada:hunter22@lab.example/conda"
SPECIFIED = {"name": "nlp", "definition": {"channels": [CHANNEL], "dependencies": ["app"]}}


class Case(t.NamedTuple):
    """A module, what it calls to do its work, its arguments, and how a failure begins."""

    module: types.ModuleType
    work: str
    arguments: dict[str, t.Any]
    begin: str = "conda environment 'nlp': "


INSTALLER = {"prefix": "/nowhere/conda", "url": CHANNEL, "checksum": "sha256:0"}
CASES = {
    "conda_archive": Case(conda_archive, "run", {"name": "nlp", "dest": CHANNEL}),
    "conda_env": Case(conda_env, "run", SPECIFIED),
    "conda_env of several": Case(conda_env, "settled", {"environments": [SPECIFIED]}),
    "conda_env_info": Case(conda_env_info, "run", SPECIFIED),
    "conda_installation": Case(conda_installation, "converge", INSTALLER, "conda at /nowhere/conda: "),
    "conda_lock": Case(conda_lock, "run", SPECIFIED),
}


def fail(error: type[Exception]) -> t.NoReturn:
    raise error("the word hunter22 was refused")


@pytest.mark.parametrize("error", [ValueError, CondaEnvError, OSError])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_no_failure_tells_a_credential_also_outside_of_its_url(
    run_module: Callable[..., dict[str, t.Any]], monkeypatch: pytest.MonkeyPatch, case: Case, error: type[Exception]
) -> None:
    monkeypatch.setattr(case.module, case.work, lambda *_arguments: fail(error))
    for verbosity in (0, 3):
        result = run_module(case.module, verbosity=verbosity, **case.arguments)
        assert result["failed"] and result["msg"].startswith(case.begin)
        assert "the word *** was refused" in result["msg"]
        assert "hunter22" not in json.dumps(result)


@pytest.mark.parametrize("error", [ValueError, CondaEnvError, OSError])
def test_nor_does_its_trace(error: type[Exception]) -> None:
    told: dict[str, t.Any] = {}
    module = types.SimpleNamespace(params={"channel": CHANNEL}, fail_json=told.update)
    answer(t.cast("Module", module), lambda: fail(error), lambda failure: failure.message("nlp"))
    assert "Traceback" in told["exception"] and "the word *** was refused" in told["exception"]
    assert "hunter22" not in json.dumps(told) + json.dumps(module.params)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_no_result_tells_one(run_module: Callable[..., dict[str, t.Any]], monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    monkeypatch.setattr(case.module, case.work, lambda *_arguments: {"said": "hunter22"})
    result = run_module(case.module, **case.arguments)
    assert not result.get("failed")
    assert '"said": "***"' in json.dumps(result) and "hunter22" not in json.dumps(result)
