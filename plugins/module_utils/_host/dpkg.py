# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dpkg says is installed (dpkg(1), deb822(5)). Pure. Private to this collection."""

from __future__ import annotations

from collections.abc import Callable, Iterator

STATUS = "/var/lib/dpkg/status"
# dpkg(1), PACKAGE STATES
INTERRUPTED = ("half-installed", "unpacked", "half-configured", "triggers-awaited")


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """Split a deb822 text into its stanzas; field names in lower case, continuation lines joined by a newline."""
    fields: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line[0] in " \t":
            if name:
                fields[name] += "\n" + line.strip()
        else:
            name, _colon, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    if fields:
        yield fields


def installed(status: str, wanted: Callable[[str], bool] | None = None) -> dict[str, str]:
    """Name and version of the installed packages, by the text of the status file."""
    found = {}
    # The file has thousands of stanzas: look at the name before splitting a stanza into fields.
    for block in status.split("\n\n"):
        name = block[block.find("Package: ") + 9 :].partition("\n")[0]
        if wanted is None or wanted(name):
            for fields in stanzas(block):
                if fields.get("status", "").endswith(" ok installed"):
                    found[fields["package"]] = fields.get("version", "")
    return found


def unfinished(status: str) -> list[str]:
    """Packages in a state that dpkg was interrupted in."""
    packages = [(fields.get("package", "?"), fields.get("status", "").split()) for fields in stanzas(status)]
    return [name for name, state in packages if state and (state[-1] in INTERRUPTED or "reinstreq" in state)]
