# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a Python module, to be run by another Python on the host. Private to this collection."""

from __future__ import annotations

import inspect
import types


def source(module: types.ModuleType) -> str:
    """Inside Ansible's own archive there is no file to copy. On the controller, Ansible's loader has it as bytes."""
    get_source = getattr(module.__loader__, "get_source", None)
    text: str | bytes | None = get_source(module.__name__) if get_source else None
    if isinstance(text, bytes):
        return text.decode("utf-8")
    return text if text is not None else inspect.getsource(module)
