# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a lock: solve once with conda, resolve the pip section once with the environment's own pip. Private to this collection."""

from __future__ import annotations

import json
import os
import re
import typing as t
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from .._nvidia.cuda import beside
from .._nvidia.cuda_needs import of_distributions, of_records, of_requirements, of_specs
from .channels import name_of, this_platform
from .errors import CondaEnvError
from .gpus import fitting
from .lock import CondaPackage, Lock, PipPackage, digest_of, parse_lock, pip_lines, pip_options
from .pip import consent, explain, pip, requirements
from .records import channel_of, distributions, normal, without_credentials
from .solve import ask
from .specification import Settings, Specification
from .workshop import Workshop

# What has no file of which a hash could be taken (pip, "Secure installs" and "VCS Support").
_UNHASHABLE = re.compile(r"(?:^-e\b|^--editable\b|(?:^|@\s*)(?:git|hg|svn|bzr)\+)")


def refuse_unhashable(specification: Specification) -> None:
    """Name the line of a requirement that no lock can hold."""
    for file, line in pip_lines(specification):
        if _UNHASHABLE.search(line):
            raise CondaEnvError(
                f"{file or 'pip section'}: '{without_credentials(line)}' cannot be locked: "
                "a repository or an editable folder has no hash",
                "Name a release, or the URL of an archive of that revision.",
            )


def make(workshop: Workshop, specification: Specification, prefix: str) -> tuple[Lock, list[str]]:
    """Lock of a specification for this host's platform, and notes.

    A pip section is resolved in the environment itself: then `prefix` is built, and left to the caller to remove.
    """
    refuse_unhashable(specification)
    asked = [*of_specs(specification.conda), *of_requirements(line for _file, line in pip_lines(specification))]
    fitting(asked, workshop.gpu)
    wants_pip = bool(specification.pip)
    solution = ask(workshop, specification, prefix, install=wants_pip)
    files, notes = _resolve(workshop, specification, prefix) if wants_pip else ([], [])
    chosen = of_distributions((item.name, item.version) for item in files)
    notes += fitting(beside(chosen, of_records(solution.records)), workshop.gpu)
    settings = workshop.installation.settings
    declared = [*specification.channels, *(spec.split("::", 1)[0] for spec in specification.conda if "::" in spec)]
    lock = Lock(
        platform=this_platform(),
        conda_version=solution.conda_version,
        specification=digest_of(specification, settings),
        channels=tuple(map(without_credentials, specification.channels)),
        specs=tuple(sorted(map(without_credentials, specification.conda))),
        conda=tuple(_conda_package(record, declared, settings) for record in solution.records),
        variables=specification.variables,
        pip_options=tuple(map(without_credentials, pip_options(specification))),
        pip=tuple(files),
        solver=solution.solver,
    )
    return parse_lock(lock.to_dict()), [*solution.notes, *notes]


def _conda_package(record: Mapping[str, t.Any], declared: list[str], settings: Settings) -> CondaPackage:
    if not record["url"].endswith((".conda", ".tar.bz2")):
        raise CondaEnvError(
            f"{record['name']} comes as {without_credentials(record['url'])}, which is no conda package",
            "A lock holds conda's own packages: ask for it in the 'pip:' section.",
        )
    if not record["sha256"]:
        raise CondaEnvError(
            f"the channel {channel_of(record)} announces no SHA-256 for {record['name']} {record['version']}",
            "Ask its owner to index it again (conda index); without a checksum there is nothing to lock.",
        )
    return CondaPackage(
        name=record["name"],
        version=record["version"],
        build=record["build"],
        build_number=int(record["build_number"] or 0),
        channel=name_of(channel_of(record), declared, settings),
        url=without_credentials(record["url"]),
        sha256=record["sha256"],
        md5=record["md5"],
        size=int(record["size"] or 0),
        noarch=record["noarch"] or "",
        depends=tuple(record["depends"] or ()),
        constrains=tuple(record["constrains"] or ()),
        python_site_packages_path=record["python_site_packages_path"] or "",
    )


def _resolve(workshop: Workshop, specification: Specification, prefix: str) -> tuple[list[PipPackage], list[str]]:
    """What pip would install beside conda's packages, with notes."""
    scratch = workshop.scratch
    installed = [package for package, _installer in distributions(prefix)]
    report = os.path.join(scratch, "report.json")
    argv = [*pip(prefix), "install", *consent(prefix), "--dry-run", "--quiet", "--report", report]
    argv += [*requirements(specification, installed, scratch), *(["--no-index"] if workshop.installation.offline else [])]
    done = workshop.run(argv, {**workshop.inside(prefix), "TMPDIR": scratch})
    if "no such option: --dry-run" in done.stderr or "no such option: --report" in done.stderr:
        raise CondaEnvError(
            "the environment's pip is too old to tell what it would install", "Ask for 'pip>=23' under 'dependencies'."
        )
    if done.code != 0:
        raise explain(done, installed)
    with open(report, encoding="utf-8") as file:
        items = json.load(file)["install"]
    files = [pip_package(item) for item in items]
    sources = sorted(item.name for item in files if not item.file.endswith(".whl"))
    note = f"pip builds these from source, with build tools that no lock holds: {', '.join(sources)}"
    return files, [note] if sources else []


def pip_package(item: Mapping[str, t.Any]) -> PipPackage:
    """An item of pip's installation report (pip, "Installation Report")."""
    name, version = normal(item["metadata"]["name"]), item["metadata"]["version"]
    url = without_credentials(item["download_info"]["url"].partition("#")[0])
    if "archive_info" not in item["download_info"]:
        raise CondaEnvError(
            f"'{name}' comes from {url}, which cannot be locked: a repository or folder has no hash",
            "Name a release, or the URL of an archive.",
        )
    sha256 = item["download_info"]["archive_info"].get("hashes", {}).get("sha256")
    if not sha256:
        raise CondaEnvError(f"the package index announces no SHA-256 for {name} {version}", "Use an index that does.")
    file = unquote(urlsplit(url).path.rsplit("/", 1)[-1])
    return PipPackage(name, version, file, (f"sha256:{sha256}",), url if item.get("is_direct") else "")
