# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read apt's sources, and enable further components beside them. Pure; formats of sources.list(5). Private to this collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from .._host.dpkg import stanzas

# Options of the one-line format -> fields of the deb822 format; the others are not needed to repeat a source.
OPTIONS = {"arch": "architectures", "signed-by": "signed-by", "trusted": "trusted"}
FIELDS = ("architectures", "signed-by", "trusted")


def parse_list(text: str) -> list[dict[str, t.Any]]:
    """Sources of a ``*.list`` file: ``deb [option=value ...] uri suite component...``."""
    sources = []
    for line in text.splitlines():
        match = re.match(r"^\s*deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)", line)
        if match is None:
            continue
        pairs = [option.partition("=") for option in (match.group(1) or "").split()]
        options = {OPTIONS[key.lower()]: value.replace(",", " ") for key, _eq, value in pairs if key.lower() in OPTIONS}
        sources.append({"uris": [match.group(2)], "suites": [match.group(3)], "components": match.group(4).split(), **options})
    return sources


def parse_sources(text: str) -> list[dict[str, t.Any]]:
    """Sources of a deb822 ``*.sources`` file."""
    sources = []
    for fields in stanzas(text):
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        sources.append(
            {
                "uris": fields.get("uris", "").split(),
                "suites": fields.get("suites", "").split(),
                "components": fields.get("components", "").split(),
                **{name: fields[name] for name in FIELDS if name in fields},
            }
        )
    return sources


def list_prefix(uri: str, suite: str) -> str:
    """Name of a suite's index in /var/lib/apt/lists, without the ending ``_InRelease`` or ``_Release``."""
    path = re.sub(r"^[a-z+]+:/*([^/]*@)?", "", uri).rstrip("/") + f"/dists/{suite}"
    quoted = re.sub(r"[\\\\|{}\[\]<>\"^~_=!@#$%&*]", lambda match: f"%{ord(match.group()):02x}", path)
    return quoted.replace("/", "_")


def of_distribution(source: Mapping[str, t.Any], suite: str, distribution: str, origins: Mapping[str, str]) -> bool:
    """Whether a source is the distribution's own archive: by the index that apt holds, before the first update by its names."""
    known = [origins[list_prefix(uri, suite)] for uri in source["uris"] if list_prefix(uri, suite) in origins]
    if known:
        return distribution.lower() in (origin.lower() for origin in known)
    name = distribution.lower()
    return f"{name}-archive-keyring" in source.get("signed-by", "") or any(
        uri.rstrip("/").endswith((f"/{name}", f"/{name}-security")) for uri in source["uris"]
    )


def extend(
    sources: Iterable[Mapping[str, t.Any]],
    *,
    distribution: str,
    codename: str,
    components: Sequence[str],
    origins: Mapping[str, str],
) -> list[dict[str, str]]:
    """Plan the deb822 stanzas that enable C(components) wherever the distribution's C(main) is enabled already.

    A component that a source enables is left out: apt warns of doubles. Backports and proposed updates are left alone.
    C(origins) maps the names of L(list_prefix) to the C(Origin) of the index. Each stanza maps field names to values.
    """
    known = list(sources)
    wanted_suites = (codename, f"{codename}-updates", f"{codename}-security")
    enabled = {
        (uri.rstrip("/"), suite, component)
        for source in known
        for uri in source["uris"]
        for suite in source["suites"]
        for component in source["components"]
    }
    planned: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
    for source in known:
        if "main" not in source["components"]:
            continue
        for suite in source["suites"]:
            if suite not in wanted_suites or not of_distribution(source, suite, distribution, origins):
                continue
            for uri in source["uris"]:
                missing = [name for name in components if (uri.rstrip("/"), suite, name) not in enabled]
                if not missing or uri.startswith("cdrom:"):
                    continue
                head = {"Types": "deb", "URIs": uri}
                tail = {"Components": " ".join(missing)}
                tail.update({name.title(): str(source[name]) for name in FIELDS if name in source})
                stanza = planned.setdefault((*head.items(), *tail.items()), {**head, "Suites": "", **tail})
                if suite not in stanza["Suites"].split():
                    stanza["Suites"] = f"{stanza['Suites']} {suite}".strip()
    return list(planned.values())
