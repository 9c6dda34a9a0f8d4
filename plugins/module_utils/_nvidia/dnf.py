# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What files of dnf, and answers of rpm and dnf, say of a driver on the RHEL family. Pure. Private to this collection."""

from __future__ import annotations

import configparser
import re
import typing as t
from collections.abc import Mapping

from .state import version_key

# What a driver is made of there, and what it needs.
PACKAGES = (
    "kmod-nvidia*",
    "nvidia*",
    "libnvidia*",
    "cuda-drivers*",
    "cuda-toolkit*",
    "datacenter-gpu-manager*",
    "dkms",
    "kernel-devel*",
    "python3-dnf-plugin-versionlock",
    "xorg-x11-nvidia",
)
FORMAT = "%{name} %{epoch}:%{version}-%{release} %{arch}\n"
# The database is in no format that a module could read by itself, so these two are asked. No longer than this, in seconds.
INSTALLED = ("timeout", "60", "rpm", "--query", "--all", "--queryformat", FORMAT.replace("epoch", "epochnum"), *PACKAGES)
# All streams, whichever is enabled, and versions that are locked out: another one may be what is wished for.
OFFERED = (
    *("timeout", "300", "dnf", "--quiet", "--disableplugin=versionlock", "repoquery"),
    *("--available", "--disable-modular-filtering", "--queryformat", FORMAT.rstrip("\n"), *PACKAGES),
)
# Of the signs alone that rpm builds with (rpm-spec(7)): nobody signs a list, and what it says becomes an argument of dnf.
SIGNS = r"[A-Za-z0-9._+~^]+"
LINE = re.compile(rf"^([A-Za-z0-9._+-]+) ((?:\d+:)?({SIGNS}-{SIGNS})) (\w+)$", re.MULTILINE | re.ASCII)


def packages(answer: str) -> dict[str, list[str]]:
    """Versions by name, newest first. What follows a kernel has the kernel's release as well: it is asked for by that."""
    found: dict[str, set[str]] = {}
    for name, version, release, machine in LINE.findall(answer):
        found.setdefault(name, set()).add(version)
        if name.startswith("kernel-"):
            found.setdefault(f"{name}-{release}.{machine}", set()).add(version)
    return {name: sorted(versions, key=version_key, reverse=True) for name, versions in sorted(found.items())}


def installed(answer: str) -> dict[str, str]:
    """Name and version of each; of several kernels' the newest."""
    return {name: versions[0] for name, versions in packages(answer).items()}


def repositories(text: str) -> list[dict[str, t.Any]]:
    """Enabled repositories of a C(.repo) file (dnf.conf(5)); of one without an address of its own, where it has that from."""
    return [
        {"uris": (section.get("baseurl") or section.get("metalink") or section.get("mirrorlist") or "").split()}
        for section in _sections(text).values()
        if section.get("enabled", "1").strip().lower() not in ("0", "no", "false", "off")
    ]


def enabled_stream(text: str) -> str:
    """The stream that a file of C(/etc/dnf/modules.d) enables; empty if none."""
    streams = [section.get("stream", "") for section in _sections(text).values() if section.get("state") == "enabled"]
    return next(iter(streams), "")


def _sections(text: str) -> dict[str, Mapping[str, str]]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    return {name: parser[name] for name in parser.sections()}
