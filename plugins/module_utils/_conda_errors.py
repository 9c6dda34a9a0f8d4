# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error of the conda modules, and the mask that keeps secrets out of every message. Private to this collection."""

from __future__ import annotations

import re
import typing as t

# user:password@ in a URL, conda's /t/<token>/ path, and query parameters that carry credentials.
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<=://)[^/\s@]+@"), "***@"),
    (re.compile(r"(?<=/t/)[^/\s]+"), "***"),
    (re.compile(r"(?i)(?<=[?&])((?:token|password|secret|key|access_token|auth|signature|sig)=)[^&\s#]+"), r"\1***"),
)


def mask(text: str) -> str:
    """Hide credentials in the URLs of a text."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def mask_all(value: t.Any) -> t.Any:
    """Hide credentials in every string of nested plain data."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: mask_all(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask_all(item) for item in value]
    return value


class CondaEnvError(Exception):
    """What went wrong (cause), what to do (way out), and the raw output of the program that said so."""

    def __init__(self, cause: str, way_out: str = "", raw: str = "") -> None:
        super().__init__(cause)
        self.cause = mask(cause.strip())
        self.way_out = mask(way_out.strip())
        self.raw = mask(raw)

    def message(self, name: str) -> str:
        """One message for people: the environment, the cause, the way out."""
        lines = [f"conda environment '{name}': {self.cause}"]
        if self.way_out:
            lines.append(self.way_out)
        return "\n".join(lines)
