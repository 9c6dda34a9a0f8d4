# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the variables of the role `miniconda` must satisfy together. Pure. Private to this collection."""

from __future__ import annotations

import posixpath
import re
import typing as t
from collections.abc import Iterable, Mapping

from ...module_utils._conda.installer import OF_THE_SYSTEM

CHECKSUM = re.compile(r"sha256:[0-9a-fA-F]{64}")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
CONDA = re.compile(r"(?:py\d+_)?(\d+)\.(\d+)\.")
# The first conda with `exclude_newer`; an older one ignores the key.
EXCLUDES_NEWER = (26, 9)
URL = re.compile(r"(https?://[^\s/]+|file:///)\S*")
# It stands in scripts of shells, in units and in the first lines of programs.
PREFIX = re.compile(r"(/[\w.+-]+)+/?", re.ASCII)
# Covered by Anaconda's terms of service, whatever the mirror.
ANACONDA = re.compile(
    r"defaults|anaconda|main|r|msys2|(pkgs/|https?://repo\.anaconda\.com/|https?://conda\.anaconda\.org/(anaconda|main|r)\b).*"
)


def anaconda_channels(channels: Iterable[str]) -> list[str]:
    """Those of some channels that need Anaconda's terms of service to be accepted."""
    return [channel for channel in channels if ANACONDA.fullmatch(channel)]


def check(variables: Mapping[str, t.Any]) -> list[str]:
    """Say what is wrong with the role's variables; nothing if they can be applied."""
    problems = _installer(variables)
    if prefix := str(variables.get("miniconda_prefix", "")):
        problems += place("miniconda_prefix", prefix) or _of_the_system(prefix)
    channels: list[str] = variables.get("miniconda_channels", [])
    if not channels:
        problems.append("miniconda_channels: found no channel; expected at least one, for example conda-forge")
    gated = anaconda_channels(channels)
    if gated and not variables.get("miniconda_accept_anaconda_tos"):
        problems.append(
            f"miniconda_channels: found {', '.join(gated)}, which need Anaconda's terms of service to be accepted; "
            "use conda-forge, or set 'miniconda_accept_anaconda_tos: true' if your organisation accepts them"
        )
    return [*problems, *_policy(variables, channels)]


def _of_the_system(prefix: str) -> list[str]:
    path = posixpath.normpath(prefix)
    if not OF_THE_SYSTEM.fullmatch(path):
        return []
    return [
        f"miniconda_prefix: found '{prefix}', a folder of the system; expected one that is conda's alone, since it is replaced "
        f"as a whole; choose a folder in it, for example {posixpath.join(path, 'miniconda3')}"
    ]


def _policy(variables: Mapping[str, t.Any], channels: Iterable[str]) -> list[str]:
    """What would forbid everything, or what this conda would read past."""
    problems = []
    allowed, denied = (variables.get(f"miniconda_{name}list_channels") or [] for name in ("allow", "deny"))
    shut = [channel for channel in channels if channel in denied or (allowed and channel not in allowed)]
    if shut:
        problems.append(
            f"miniconda_channels: found {', '.join(shut)}, which miniconda_allowlist_channels or miniconda_denylist_channels "
            "forbid; allow them, or take them from the list"
        )
    found = CONDA.match(str(variables.get("miniconda_version", "")))
    if variables.get("miniconda_exclude_newer") and found and tuple(map(int, found.groups())) < EXCLUDES_NEWER:
        problems.append(
            f"miniconda_exclude_newer: found a limit for conda {'.'.join(found.groups())}, which does not know it; "
            f"expected conda {'.'.join(map(str, EXCLUDES_NEWER))} or newer in miniconda_version"
        )
    return problems


def _installer(variables: Mapping[str, t.Any]) -> list[str]:
    problems = []
    checksum = str(variables.get("miniconda_checksum", ""))
    installer = str(variables.get("miniconda_installer", ""))
    if not checksum:
        problems.append(
            f"miniconda_checksum: found none for {installer or 'the installer'}, which is not in the table of the role; expected "
            "'sha256:' and 64 hexadecimal digits from the publisher's list; set it, or choose a release of the table"
        )
    elif not CHECKSUM.fullmatch(checksum):
        problems.append(
            f"miniconda_checksum: found '{checksum}'; expected 'sha256:' and 64 hexadecimal digits from the publisher's list"
        )
    version = str(variables.get("miniconda_version", ""))
    if version == "latest" or (version and not VERSION.fullmatch(version)):
        problems.append(f"miniconda_version: found '{version}'; expected a version such as py312_25.1.1-2")
    for name in ("miniconda_base_url", "miniconda_channel_alias"):
        value = str(variables.get(name, ""))
        if value and not URL.fullmatch(value):
            problems.append(f"{name}: found '{value}'; expected a URL with https, http or file:///")
    return problems


def place(name: str, path: str) -> list[str]:
    """What is wrong with a variable that says where a conda installation is; nothing if it can be used."""
    if PREFIX.fullmatch(path):
        return []
    return [
        f"{name}: found {path!r}; expected an absolute path of letters, digits, '.', '_', '+' and '-', "
        "for example /opt/miniconda3; choose another folder"
    ]
