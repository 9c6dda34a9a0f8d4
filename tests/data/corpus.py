# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment files with what they mean. One file of `environments/` holds one case, in parts that begin with `-- name --`:

environment.yml, the files that it names, and last expected.yml
    channels, conda, pip, pip_files, variables, notes      of a file that is understood (notes: how they begin)
    error                                                  of one that is refused: what follows the path in the message
    creates                                                packages that a real conda must install from the test's channels
    task_channels, environment                             channels of the task, variables of the controller
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from pathlib import Path

import yaml
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import Specification, parse
from ansible_collections.openlab.research_server.plugins.plugin_utils._conda.file import collect_pip_files, read_definition

FOLDER = Path(__file__).resolve().parent / "environments"
_PART = re.compile(r"^-- (\S+) --\n", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    files: dict[str, str]
    expected: dict[str, t.Any]

    @property
    def valid(self) -> bool:
        return "error" not in self.expected

    def write(self, folder: Path, transform: t.Callable[[bytes], bytes] = bytes) -> Path:
        """Write the files; the path of the environment file."""
        for name, text in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(transform(text.encode()))
        return folder / "environment.yml"


def cases(**places: object) -> list[Case]:
    """All cases; `channels` and `wheels` say where the files find what their @CHANNELS@ and @WHEELS@ stand for."""
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        for key in ("channels", "wheels"):
            text = text.replace(f"@{key.upper()}@", str(places.get(key, f"/srv/{key}")))
        _empty, *parts = _PART.split(text)
        files = dict(zip(parts[::2], parts[1::2], strict=True))
        found.append(Case(path.stem, files, yaml.safe_load(files.pop("expected.yml"))))
    return found


def arguments(path: Path) -> dict[str, t.Any]:
    """What the action plugin makes of an environment file for the module."""
    definition, pip_files = collect_pip_files(read_definition(path), path.parent)
    return {"definition": definition, "pip_files": pip_files}


def understand(case: Case, path: Path) -> Specification:
    """The specification as the module sees it."""
    seen = arguments(path)
    return parse(seen["definition"], seen["pip_files"], case.expected.get("task_channels", ()))
