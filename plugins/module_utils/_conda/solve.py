# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask conda for the packages of a specification, and let it install them. Private to this collection."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import typing as t
from collections.abc import Mapping, Sequence

from .._nvidia.cuda import WAY_OUT
from .conda_side_archive import conda_side_archive
from .errors import CondaEnvError
from .process import private_file
from .records import Package, package_of, read_json
from .specification import Specification
from .workshop import Workshop

# Exception of conda -> (cause, way out). The first that matches wins; {text} is conda's own explanation.
_EXPLANATIONS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("ChecksumMismatchError", "CondaVerificationError", "SafetyError"),
        "a downloaded package is not what the channel announced: {text}",
        "Remove it from the package cache ('conda clean --packages') and compare mirror and original.",
    ),
    (
        ("NoSpaceLeftError",),
        "no space left on the device: {text}",
        "Free some space ('conda clean --all', old generations) and run again.",
    ),
    (
        ("LockMismatchError",),
        "a package is not the one that was locked: {text}",
        "Compare the file on the channel with its origin; if it is right, renew the lock.",
    ),
    (
        ("LockGoneError",),
        "a channel does not have a locked package any more: {text}",
        "Renew the lock, or restore the file on the channel.",
    ),
    (
        ("LockIncompleteError",),
        "the locked packages cannot be used together on this host: {text}",
        "Renew the lock on a host like this one.",
    ),
    (("CudaMismatchError",), "{text}", WAY_OUT),
    (
        ("BaseProtectedError",),
        "the conda installation itself must keep what it has: {text}",
        "Put these packages into an environment of their own.",
    ),
    (
        ("ForbiddenChannelError", "ChannelNotAllowed", "ChannelDenied", "DisallowedPackageError"),
        "the task or the configuration of the host's conda forbids it: {text}",
        "Use what they allow, or change 'allowlist_channels', 'denylist_channels' and 'disallowed_packages'.",
    ),
    (
        ("PolicyUnknownError",),
        "the conda of this host cannot do what the task demands, or the host's own configuration: {text}",
        "Choose a conda that can (role 'miniconda': 'miniconda_version'), or do without ('miniconda_exclude_newer', or "
        "'exclude_newer' in the host's condarc).",
    ),
    (
        ("SeveralChannelsError",),
        "a dependency names a channel that stands for several: {text}",
        "Name the one that has the package, as 'https://repo.anaconda.com/pkgs/main::name', or write the name alone.",
    ),
    (
        ("UnavailableInvalidChannel", "ChannelError"),
        "a channel does not exist or is no conda channel: {text}",
        "Check 'channels', 'channel_alias' and 'custom_channels'.",
    ),
    (
        ("CondaToSError",),
        "a channel asks for acceptance of its terms of service: {text}",
        "If your organisation accepts them, say so on the host ('conda tos accept --system'), or use another channel, "
        "such as conda-forge.",
    ),
    (
        ("CondaHTTPError", "ConnectionFailed", "CondaSSLError", "OfflineError", "ProxyError", "RemoteDisconnected"),
        "a channel cannot be reached: {text}",
        "Check the network, proxy and 'channel_alias', then run again.",
    ),
    (
        ("UnsatisfiableError", "LibMambaUnsatisfiableError", "RattlerUnsatisfiableError"),
        "its packages cannot be installed together: {text}",
        "Loosen one of the specifications named above.",
    ),
    (
        ("PackagesNotFoundError", "ResolvePackageNotFound"),
        "packages are not in the declared channels: {text}",
        "Check spelling and version, or add the channel that has them.",
    ),
    (
        ("InvalidMatchSpec", "InvalidVersionSpec", "InvalidSpec", "InvalidMatchSpecError"),  # the last is rattler's
        "a dependency cannot be understood: {text}",
        "Write it as 'name', 'name=1.2', 'name>=1,<2' or 'channel::name=1.2'.",
    ),
    (
        ("ImportError", "SyntaxError"),
        "the conda installation does not work: {text}",
        "Repair it, for example with the role 'miniconda'.",
    ),
    (
        ("OperationNotAllowed", "EnvironmentNotWritableError", "NoWritablePkgsDirError", "PermissionError"),
        "not allowed: {text}",
        "Run as the owner of the conda installation ('become: true').",
    ),
)
# Both solvers say that a package is not looked at because an earlier channel has the name; libmamba does not say by which option.
_STRICT = re.compile(r"strict (?:channel|repo) priority")
_OF_CUDA = " '__cuda' is what the NVIDIA driver of a host with a GPU offers; 'cuda' states what to choose for."
_OF_STRICT = " Or set 'channel_priority: flexible', with which a later channel may have what the first one lacks."
_KEEPING = "CannotKeepError"
_LONGEST = 1500
# A file in the package cache is not what its package says.
_ALTERED = {"SafetyError", "CondaVerificationError"}


@dataclasses.dataclass(frozen=True)
class Solution:
    """Answer of conda."""

    packages: tuple[Package, ...]
    conda_version: str
    kept: tuple[str, ...] = ()
    records: tuple[dict[str, t.Any], ...] = ()
    notes: tuple[str, ...] = ()
    solver: str = ""


@dataclasses.dataclass(frozen=True)
class Extension:
    """Answer of conda about packages for a conda installation itself.

    `replaced` are names of packages that move, `unmet` lines for pip that are not met, `unknown` those that do not tell.
    """

    packages: tuple[Package, ...]
    conda_version: str
    replaced: tuple[str, ...]
    unmet: tuple[str, ...]
    unknown: tuple[str, ...]
    notes: tuple[str, ...] = ()


def extend(
    workshop: Workshop, specification: Specification, prefix: str, *, install: bool, former: Sequence[str] = ()
) -> Extension:
    """Solve for the conda installation itself and, if told so, change it. Without `install` nothing outside `scratch` is written.

    `prefix` is that installation, or a copy of it to solve with; `former` are names of packages that former specifications named.
    """
    request = _request(workshop, specification, prefix, install)
    request |= {"envs_dir": os.path.join(prefix, "envs"), "base": True}
    request |= {"pip": list(specification.pip), "former": list(former)}
    there = dataclasses.replace(workshop, installation=dataclasses.replace(workshop.installation, root=prefix))
    result, output = _run_conda_side(there, request)
    changes = another_way(result, install)
    if changes:
        result, output = _run_conda_side(there, {**request, **changes})
    if "error" in result:
        raise explain(result["error"], output)
    packages = tuple(sorted(package_of(item) for item in result["packages"]))
    lines = (tuple(result[key]) for key in ("replaced", "unmet", "unknown", "notes"))
    return Extension(packages, str(result["conda_version"]), *lines)


def ask(
    workshop: Workshop,
    specification: Specification,
    prefix: str,
    *,
    install: bool,
    keep: Sequence[Package] = (),
    records: Sequence[Mapping[str, t.Any]] = (),
) -> Solution:
    """Solve for an empty prefix and, if told so, install into it. Without `install` nothing outside `scratch` is written.

    `keep` are packages that stay if the specification does not decide about them. With `records` (of a lock) nothing is solved:
    they are the solution.
    """
    request = _request(workshop, specification, prefix, install)
    request |= {"records": list(records), "keep": [dataclasses.asdict(package) for package in keep]}
    result, output = _run_conda_side(workshop, request)
    changes = another_way(result, install)
    if changes:
        shutil.rmtree(prefix, ignore_errors=True)
        result, output = _run_conda_side(workshop, {**request, **changes})
    if "error" in result:
        raise explain(_of_a_lock(result["error"]) if records else result["error"], output)
    packages = tuple(sorted(package_of(item) for item in result["packages"]))
    kept, records, notes = (tuple(result[key]) for key in ("kept", "packages", "notes"))
    return Solution(packages, str(result["conda_version"]), kept, records, notes, str(result["solver"]))


def another_way(result: Mapping[str, t.Any], install: bool) -> dict[str, bool]:
    """What to ask for differently after a failure that a second try can get around; nothing for any other answer."""
    error = result.get("error", {})
    types, text = error.get("types", ()), str(error.get("text", ""))
    if "OperationalError" in types and "database is locked" in text:
        # Newer solvers keep parts of a channel's index in a database, which fails on some file systems (NFS) and beside others.
        return {"shards": False}
    # Files of environments are hard links into the cache: whoever edits one in place alters the cached package, too.
    return {"extract_again": True} if install and _ALTERED.intersection(types) else {}


def _request(workshop: Workshop, specification: Specification, prefix: str, install: bool) -> dict[str, t.Any]:
    conda, scratch = workshop.installation, workshop.scratch
    return {
        "specs": list(specification.conda),
        "records": [],
        "channels": list(specification.channels),
        "variables": dict(specification.variables),
        "channel_alias": conda.settings.channel_alias,
        "custom_channels": dict(conda.settings.custom_channels),
        "default_channels": list(conda.settings.default_channels),
        "channel_priority": conda.settings.channel_priority,
        "allowlist_channels": list(conda.settings.allowlist_channels),
        "denylist_channels": list(conda.settings.denylist_channels),
        "exclude_newer": conda.settings.exclude_newer,
        "policy": {},
        "offline": conda.offline,
        "gpu": list(workshop.gpu),
        "prefix": prefix,
        "envs_dir": os.path.dirname(prefix),
        "pkgs_dirs": [conda.pkgs_dir if install else os.path.join(scratch, "pkgs")],
        "install": install,
        "keep": [],
        "extract_again": False,
        "shards": True,
        "scratch": scratch,
        "base": False,
    }


def _own_home(workshop: Workshop) -> dict[str, str]:
    """conda reads and writes under HOME (configuration, list of environments); only credentials may come from there.

    ... and which terms of service were accepted.
    """
    netrc = workshop.environment.get("NETRC") or os.path.expanduser("~/.netrc")
    return {**workshop.environment, "HOME": workshop.scratch, "NETRC": netrc, "CONDATOS": os.path.expanduser("~/.conda/tos")}


def _of_a_lock(error: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """conda's own verdict on a download, where it was a lock that announced the package."""
    types = list(error["types"])
    if "ChecksumMismatchError" in types:
        types = ["LockMismatchError"]
    elif re.search(r"\b404\b", str(error["text"])):
        types = ["LockGoneError"]
    return {**error, "types": types}


def _run_conda_side(workshop: Workshop, request: Mapping[str, t.Any]) -> tuple[dict[str, t.Any], str]:
    """Answer of the program that runs in conda's own Python, and what conda printed meanwhile."""
    conda, scratch = workshop.installation, workshop.scratch
    program = conda_side_archive(scratch)
    asked = private_file(scratch, "request.json", json.dumps(request))
    answer = os.path.join(scratch, "result.json")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(answer)
    # conda walks sets. With one seed its choice among equals and its explanations are the same in each run, in check mode and on
    # each host. -I would ignore the seed; the environment is clean already, and -s leaves the user's own packages out.
    variables = {**_own_home(workshop), "PYTHONHASHSEED": "0"}
    if not request["install"]:
        variables["PYTHONDONTWRITEBYTECODE"] = "1"  # nothing is written then, not even beside conda's own modules
    done = workshop.run([conda.python, "-s", program, asked, answer], variables)
    # An answer that is whole counts, however the interpreter ended after it.
    result = read_json(answer)
    if result is None:
        raise CondaEnvError(
            f"the conda installation at {conda.root} does not work (exit code {done.code})",
            "Repair it, for example with the role 'miniconda'.",
            done.output,
        )
    return result, done.output


def explain(error: Mapping[str, t.Any], raw: str = "") -> CondaEnvError:
    """Turn an exception of conda into cause and way out."""
    types, text = set(error["types"]), " ".join(str(error["text"]).split("\n")).strip()
    short = text if len(text) <= _LONGEST else text[:_LONGEST] + " [...]"
    short = " ".join(short.split())
    if _KEEPING in types:
        kept = ", ".join(error["names"])
        return CondaEnvError(
            f"what 'prune: false' keeps does not go with the specification ({kept}): {short}",
            "Remove it from the environment, or set 'prune: true'. The environment has not been touched.",
            f"{error['text']}\n{raw}",
        )
    for names, cause, way_out in _EXPLANATIONS:
        if types.intersection(names):
            hint = (_OF_STRICT if _STRICT.search(text) else "") + (_OF_CUDA if "__cuda" in text else "")
            return CondaEnvError(cause.format(text=short), way_out + hint, f"{error['text']}\n{raw}")
    if "No space left on device" in text:
        return CondaEnvError(f"no space left on the device: {short}", "Free some space and run again.", raw)
    return CondaEnvError(f"conda failed: {short}", "", f"{error['text']}\n{raw}")
