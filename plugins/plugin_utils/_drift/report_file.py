# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last report, for the commands that go on with it. Private to this collection.

It may be missing, foreign, or of a newer version; each command would otherwise find that out in words of its own.
"""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from .report import SCHEMA

# What comes of data in another shape than expected.
ODD = (KeyError, TypeError, ValueError, AttributeError)


class ReportError(Exception):
    """Why there is no report: the file, what was found, what to do."""


def read(path: Path) -> dict[str, t.Any]:
    """A report that this version understands. Raises ReportError."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ReportError(
            f"found no report {path}; run research-server-drift first, or name another one with --report"
        ) from error
    except OSError as error:
        raise ReportError(f"cannot read the report: {error}; name another one with --report") from error
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{path}: found no JSON ({error}); expected the report of a drift run") from error
    schema = report.get("schema") if isinstance(report, dict) else None
    if not isinstance(schema, int):
        raise ReportError(f"{path}: found JSON without 'schema'; expected the report of a drift run")
    if schema > SCHEMA:
        raise ReportError(
            f"{path}: found schema {schema}, expected {SCHEMA}; a newer version of the collection wrote it: install that one here"
        )
    return t.cast(dict[str, t.Any], report)


def not_understood(path: Path, error: Exception) -> ReportError:
    """What to raise where a report that could be read is of another shape than expected."""
    return ReportError(
        f"{path}: found a report that cannot be understood ({type(error).__name__}: {error}); expected one as "
        "docs/drift-report.schema.json describes it; run research-server-drift again"
    )
