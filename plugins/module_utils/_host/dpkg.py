# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dpkg says is installed (dpkg(1), deb822(5)). Pure. Private to this collection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

STATUS = "/var/lib/dpkg/status"
DIVERSIONS = "/var/lib/dpkg/diversions"
# Where /usr is merged, a folder has two names, and a package knows its files by either.
MERGED = ("/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/")
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


def held(status: str) -> list[str]:
    """Installed packages that stay at their version (apt-mark(8))."""
    return [fields.get("package", "?") for fields in stanzas(status) if fields.get("status") == "hold ok installed"]


def known_as(paths: Iterable[str], diversions: str = "") -> dict[str, set[str]]:
    """Every name under which dpkg may know these files -> the files: on both sides of a merged /usr, and before a diversion.

    `diversions` is the text of the file of that name, three lines for each (dpkg-divert(1)).
    """
    lines = diversions.split("\n")
    diverted = dict(zip(map(_merged, lines[1::3]), lines[0::3]))
    found: dict[str, set[str]] = {}
    for path in paths:
        if path.startswith("/"):
            for place in filter(None, (path, diverted.get(_merged(path)))):
                whole = _merged(place)
                short = whole[len("/usr") :]
                for name in (place, whole, short if short.startswith(MERGED) else whole):
                    found.setdefault(name, set()).add(path)
    return found


def _merged(path: str) -> str:
    return f"/usr{path}" if path.startswith(MERGED) else path
