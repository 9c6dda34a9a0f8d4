# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module is run as Ansible's wrapper does, within the test."""

from __future__ import annotations

import json
import os
import types
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible.module_utils import basic


@pytest.fixture
def run_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., dict[str, t.Any]]:
    """The result of a module for its arguments."""

    def run(module: types.ModuleType, *, check_mode: bool = False, verbosity: int = 0, **arguments: t.Any) -> dict[str, t.Any]:
        own = {"_ansible_check_mode": check_mode, "_ansible_verbosity": verbosity, "_ansible_remote_tmp": str(tmp_path / "tmp")}
        text = json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, **own}})
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", text.encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        umask = os.umask(0o022)
        try:
            with pytest.raises(SystemExit):
                module.main()
        finally:
            os.umask(umask)
        result: dict[str, t.Any] = json.loads(capsys.readouterr().out)
        return result

    return run
