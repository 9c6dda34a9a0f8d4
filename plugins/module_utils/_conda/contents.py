# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of a prefix, as conda's records and pip's metadata have them. Private to this collection."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import typing as t
from collections.abc import Iterable, Iterator, Mapping

from .._host.files import read_bounded
from .._text.secrets import mask_urls
from .records import RECORD_LIMIT, channel_of, distributions, normal, package_of, read_json, record_files


def records(prefix: str) -> Iterator[tuple[str, dict[str, t.Any] | None]]:
    """(path, content) of each conda record; None for the content of one that cannot be read."""
    for path in record_files(prefix):
        content = None
        with contextlib.suppress(OSError, ValueError):
            content = json.loads(read_bounded(path, RECORD_LIMIT))
            package_of(content)
            yield path, content
            continue
        yield path, None


def conda_details(record: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A conda package as the module reports it; its URL without credentials."""
    package = package_of(record)
    url = str(record.get("url") or "")
    # Older versions of conda write the text None.
    asked = [record.get("requested_spec"), *(record.get("requested_specs") or ())]
    return {
        **{key: mask_urls(value) for key, value in dataclasses.asdict(package).items()},
        "url": mask_urls("/".join([package.channel, *url.rsplit("/", 2)[1:]])) if "/" in url else "",
        "sha256": str(record.get("sha256") or ""),
        "md5": str(record.get("md5") or ""),
        "requested": any(spec not in (None, "", "None") for spec in asked),
        "installer": "conda",
    }


def pip_details(prefix: str, where: Iterable[str]) -> Iterator[tuple[dict[str, t.Any], str, str]]:
    """(package as the module reports it, folder of Python packages, *.dist-info) of each one that conda did not install."""
    for place in where:
        names = [name for name in listing(os.path.join(prefix, place)) if name.endswith(".dist-info")]
        exact = {_title(name): name for name in names}
        # A version may be spelled differently in the folder's name.
        by_name = {_title(name)[0]: name for name in names}
        for package, installer in distributions(prefix, [place]):
            if installer == "conda":
                continue
            info = exact.get((package.name, package.version)) or by_name.get(package.name, "")
            folder = os.path.join(prefix, place, info)
            origin = _direct_url(folder) if info else {}
            hashes = (origin.get("archive_info") or {}).get("hashes") or {}
            url = str(origin.get("url") or "")
            details = {
                **dataclasses.asdict(package),
                "url": mask_urls(channel_of({"url": url}) + "/" + "/".join(url.rsplit("/", 2)[1:])) if "://" in url else "",
                "sha256": str(hashes.get("sha256") or ""),
                "md5": "",
                "requested": bool(info) and os.path.exists(os.path.join(folder, "REQUESTED")),
                "installer": "pip",
            }
            yield details, place, info


def _title(name: str) -> tuple[str, str]:
    title, _dash, version = name[: -len(".dist-info")].rpartition("-")
    return normal(title), version


def _direct_url(folder: str) -> dict[str, t.Any]:
    content = read_json(os.path.join(folder, "direct_url.json"))
    return content if isinstance(content, dict) else {}


def listing(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
