# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pip section, by the environment's own pip, in isolation. Private to this collection."""

from __future__ import annotations

import dataclasses
import glob
import os
import re
from collections.abc import Mapping, Sequence

from .additions import Additions, index_options, limits
from .errors import CondaEnvError
from .process import Completed, Runner, private_file
from .records import Package, distributions
from .requirements import nested_file
from .specification import Specification
from .workshop import Workshop

# pip may replace these for itself: they build packages, nothing that people use depends on the version.
_TOOLS = ("pip", "setuptools", "wheel")
# How pip shows what a program said that it ran. What it says itself then leads nowhere.
_PROGRAM = re.compile(r"^\s*(?:Running command |╰─> \[\d+ lines? of output\])")
_END = re.compile(r"^[\s│]*(?:error:|note:|hint:|\[end of output\])")
# Why pip passed a version over; the error behind it only says that there is none.
_PASSED_OVER = re.compile(r"^WARNING: Ignoring version ")
_ADVICE = re.compile(r"^Please use pip")
_FRAME = " \t│"
_LINES, _ERRORS, _LONGEST = 8, 3, 1000
_VERSION = re.compile(r"^\d[A-Za-z0-9.!+_-]*$")


def constraints(installed: Sequence[Package]) -> str:
    """Constraints file that keeps pip from replacing what conda installed."""
    pinned = (item for item in installed if item.name not in _TOOLS and _VERSION.match(item.version))
    return "".join(f"{item.name}=={item.version}\n" for item in pinned)


def requirement_files(specification: Specification, folder: str) -> str:
    """Write the requirement lines and the files they name for pip; returns the path of the main file.

    They are private files: lines may hold credentials, and a process list is public.
    """
    texts = dict(specification.pip_files)
    paths = {name: os.path.join(folder, f"requirements-{number}.txt") for number, name in enumerate(sorted(texts), 1)}
    for name, path in paths.items():
        private_file(folder, os.path.basename(path), _with_paths(texts[name].splitlines(), paths))
    return private_file(folder, "requirements.txt", _with_paths(specification.pip, paths))


def requirements(specification: Specification, installed: Sequence[Package], scratch: str) -> list[str]:
    """Arguments with which pip reads the pip section beside what conda installed."""
    limits = private_file(scratch, "constraints.txt", constraints(installed))
    return ["-r", requirement_files(specification, scratch), "-c", limits]


def _with_paths(lines: Sequence[str], paths: Mapping[str, str]) -> str:
    out = []
    for line in lines:
        nested = nested_file(line)
        out.append(f"{nested[0]} {paths[nested[1]]}" if nested and nested[1] in paths else line)
    return "\n".join(out) + "\n"


def install(workshop: Workshop, specification: Specification, prefix: str, *, locked: str = "", movable: bool = False) -> None:
    """Install the pip section into a prefix that conda has just built; precisely `locked`, a file with hashes, if it is given.

    What is there is held in place; with `movable` not what pip itself had installed.
    """
    before = [package for package, installer in distributions(prefix) if installer == "conda" or not movable]
    if locked:
        chosen = ["--no-deps", "--require-hashes", "-r", private_file(workshop.scratch, "requirements.txt", locked)]
    else:
        chosen = requirements(specification, before, workshop.scratch)
    # Where "-e git+https://..." is cloned to: it is imported from there, as long as the environment lives.
    place = ["--src", os.path.join(prefix, "src")]
    argv = [*pip(prefix), "install", *consent(prefix), *place, "--progress-bar", "off", "--no-warn-script-location", *chosen]
    done = workshop.run([*argv, *(["--no-index"] if workshop.installation.offline else [])], workshop.inside(prefix))
    if done.code != 0:
        raise explain(done, before, locked=bool(locked))
    after = {package for package, _installer in distributions(prefix)}
    replaced = [item for item in before if item not in after and item.name not in _TOOLS]
    if replaced:
        raise CondaEnvError(
            "pip replaced what conda installed: " + ", ".join(f"{item.name} {item.version}" for item in replaced),
            "Ask conda for the version that pip needs, or take the package out of the conda dependencies.",
            done.output,
        )


def keep(workshop: Workshop, specification: Specification, added: Additions, prefix: str) -> None:
    """Install what people had added with pip, with everything that is there already held in place."""
    lines = (*index_options(specification), *limits(specification), *added.pip)
    asked = dataclasses.replace(specification, pip=lines)
    try:
        install(workshop, asked, prefix)
    except CondaEnvError as error:
        raise CondaEnvError(
            f"what 'prune: false' keeps cannot be installed ({', '.join(added.pip)}): {error.cause}",
            "Remove it from the environment ('pip uninstall'), or set 'prune: true'. The environment has not been touched.",
            error.raw,
        ) from None


def problems(prefix: str, run: Runner, environment: Mapping[str, str]) -> list[str]:
    """What `pip check` says against the environment; empty if there is no pip."""
    if not os.path.exists(os.path.join(prefix, "bin", "pip")):
        return []
    done = run([*pip(prefix), "check"], environment)
    return [line for line in done.stdout.splitlines() if line.strip()] if done.code != 0 else []


def pip(prefix: str) -> list[str]:
    """The environment's own pip, without anyone's configuration; it writes no byte code of its own, which check mode asks for."""
    python = os.path.join(prefix, "bin", "python")
    return [python, "-I", "-B", "-m", "pip", "--isolated", "--no-input", "--disable-pip-version-check", "--no-color"]


def consent(prefix: str) -> list[str]:
    """What pip wants to be told in an environment that is marked for people's sake (PEP 668), as conda-pypi does."""
    marked = glob.glob(os.path.join(glob.escape(prefix), "lib", "python3*", "EXTERNALLY-MANAGED"))
    return ["--break-system-packages"] if marked else []


def explain(done: Completed, installed: Sequence[Package], *, locked: bool = False) -> CondaEnvError:
    if "DO NOT MATCH THE HASHES" in done.stderr:
        files = ", ".join(re.findall(r"^ {4}(\S.*?)(?: \(from .*)?:$", done.stderr, re.MULTILINE))
        what, correct = (
            ("that was locked", "renew the lock") if locked else ("whose hash the pip section names", "correct the hash")
        )
        return CondaEnvError(
            f"a package for pip is not the one {what}: {files}",
            f"Compare the file on the index with its origin; if it is right, {correct}.",
            done.output,
        )
    cause = "; ".join(reasons(done.stderr)) or f"exit code {done.code}"
    if "ResolutionImpossible" in done.stderr or "conflicting dependencies" in done.stderr:
        clash = sorted({item.name for item in installed if f"{item.name}=={item.version}" in done.stdout})
        if clash:
            return CondaEnvError(
                f"the pip section needs other versions of packages that conda installs ({', '.join(clash)}): {cause}",
                "Ask conda for the version that pip needs, for example 'numpy<2' under 'dependencies'.",
                done.output,
            )
    return CondaEnvError(
        f"the pip section cannot be installed: {cause}", "Check the requirement and the package index.", done.output
    )


def reasons(stderr: str) -> list[str]:
    """pip's own errors with all of their lines, and the end of what a program said that it ran, such as git."""
    errors: list[str] = []
    said: list[str] = []
    passed_over: list[str] = []
    where: list[str] | None = None
    for line in stderr.splitlines():
        if line.startswith("ERROR:"):
            where = errors
            errors.append(line.partition(":")[2].strip())
        elif _PASSED_OVER.match(line):
            where = passed_over
            passed_over.append(line.partition(":")[2].strip())
        elif where is passed_over and (line.startswith((" ", "Requested ")) or _ADVICE.match(line)):
            passed_over[-1] += f" {line.strip()}"
        elif _PROGRAM.match(line):
            where = said
        elif _END.match(line) or (where is errors and not line.startswith(" ")):
            where = None
        elif where is errors:
            errors[-1] += f" {line.strip()}"
        elif where is said and line.strip(_FRAME):
            said.append(line.strip(_FRAME))
    told = [text[:_LONGEST] for text in (*dict.fromkeys(said[-_LINES:]), *passed_over[-_ERRORS:], *errors[-_ERRORS:])]
    return list(filter(None, told))
