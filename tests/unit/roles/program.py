# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that a role puts on hosts, as a module. It is in no package, so it is loaded by its place."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

ROLES = Path(__file__).resolve().parents[3] / "roles"


def load(role: str, name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROLES / role / "files" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look for the module of their class there.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
