# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's runtime in Docker's configuration, beside what others have written there. Pure. Private to this collection.

Source, read in November 2026: NVIDIA/nvidia-container-toolkit 1.20, pkg/config/engine/docker (`nvidia-ctk runtime configure`).
That Docker takes over runtimes when it reads its configuration anew: moby/moby 24, daemon/reload.go.
"""

from __future__ import annotations

import json
import typing as t

NAME = "nvidia"
PROGRAM = "nvidia-container-runtime"


def configured(text: str | None) -> str:
    """The file as it should be. Raises ValueError if it is none that Docker would read, or that could be added to."""
    found = _parse(text) if text and text.strip() else {}
    runtimes = found.setdefault("runtimes", {})
    if not isinstance(runtimes, dict):
        raise ValueError(f"found runtimes: {json.dumps(runtimes)}; expected an object with the name of each runtime")
    if knows(runtimes):
        return text or ""
    runtimes[NAME] = {"path": PROGRAM, "args": []}
    return json.dumps(found, indent=4, ensure_ascii=False) + "\n"


def _parse(text: str) -> dict[str, t.Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"found no JSON ({error}); Docker itself would not start with it") from error
    if not isinstance(found, dict):
        raise ValueError(f"found {text.strip()[:60]}; expected a JSON object")
    return found


def knows(runtimes: object) -> bool:
    """Whether the runtime is among them, with a path of its own or arguments if somebody has given it some."""
    found = runtimes.get(NAME) if isinstance(runtimes, dict) else None
    return isinstance(found, dict) and str(found.get("path", "")).rpartition("/")[2] == PROGRAM
