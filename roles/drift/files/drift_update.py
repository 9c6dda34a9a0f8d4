# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch the lab's repository, and install what it pins: usage: update SETTINGS.json STATE.

What is compared at night is a generation: a commit of the repository, and the virtual environment and collections that its
requirements name. A generation is made beside the one in use, and becomes `current` in one step when it is whole. Whatever fails
leaves the last one.

    lab.git/               the repository, without a work tree
    generations/COMMIT/    lab: the files of that commit; installed: a link to what it needs
    installed/HASH/        venv, collections; made again only where a requirement has changed
    current                a link to the generation in use
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

# What a repository asks to be installed with: for Python, and for Ansible.
REQUIREMENTS = ("requirements.txt", "requirements.yml")
# Raised when the same requirements would be installed in another way.
RECIPE = "1"
# A server that does not answer must not take the night.
SECONDS = 900
WHOLE = ".whole"


class UpdateError(Exception):
    """What was found, what was expected, what to do."""


def run(*arguments: str | Path, **environment: str) -> str:
    """Whatever it prints goes to the journal, but for what is read here."""
    done = subprocess.run(
        [str(word) for word in arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise UpdateError(
            f"'{' '.join(map(str, arguments[:4]))} ...' ended with {done.returncode}; its message is above\n{done.stdout}"
        )
    return done.stdout.strip()


def ssh(environment: dict[str, str]) -> str:
    """How git connects: with the deploy key alone, to servers that are known."""
    known = Path(environment["GIT_CONFIG_GLOBAL"]).with_name("known_hosts")
    words = ["ssh", "-F", "/dev/null", "-o", f"UserKnownHostsFile={known}", "-o", "GlobalKnownHostsFile=/dev/null"]
    words += ["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-o", "IdentitiesOnly=yes"]
    folder = environment.get("CREDENTIALS_DIRECTORY")
    key = Path(folder, "deploy_key") if folder else None
    return " ".join([*words, "-i", str(key)] if key and key.exists() else words)


def fetch(state: Path, repository: str, ref: str) -> str:
    """The commit that the name stands for now."""
    bare = state / "lab.git"
    if not bare.is_dir():
        run("git", "init", "--quiet", "--bare", bare)
    how = {"GIT_SSH_COMMAND": ssh(dict(os.environ)), "GIT_TERMINAL_PROMPT": "0"}
    run("git", "-C", bare, "fetch", "--quiet", "--no-tags", "--force", "--depth=1", "--", repository, ref, **how)
    return run("git", "-C", bare, "rev-parse", "--verify", "FETCH_HEAD^{commit}")


def check_out(state: Path, commit: str) -> Path:
    """A generation without what it needs to run."""
    generation = state / "generations" / commit
    if not (generation / WHOLE).exists():
        shutil.rmtree(generation, ignore_errors=True)
        lab = generation / "lab"
        lab.mkdir(parents=True)
        # An index of its own: that of the repository knows nothing of former work trees.
        index = str(generation / "index")
        run("git", "-C", state / "lab.git", f"--work-tree={lab}", "checkout", "--force", commit, "--", ".", GIT_INDEX_FILE=index)
        Path(index).unlink()
    return generation


def fingerprint(lab: Path, python: str) -> str:
    """The same for the same requirements, installed by the same Python."""
    digest = hashlib.sha256(f"{RECIPE}\0{run(python, '-VV')}\0".encode())
    for name in REQUIREMENTS:
        try:
            content = (lab / name).read_bytes()
        except OSError as error:
            raise UpdateError(
                f"found no {name} in the repository ({error.strerror}); expected what is to be installed: "
                "requirements.txt with ansible-core, requirements.yml with openlab.research_server, as new_lab writes them"
            ) from error
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def install(state: Path, lab: Path, python: str) -> Path:
    """In its last place from the start: a virtual environment cannot be moved."""
    folder = state / "installed" / fingerprint(lab, python)
    if (folder / WHOLE).exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    venv, collections = folder / "venv", folder / "collections"
    cache = {"PIP_CACHE_DIR": str(state / "cache"), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    run(python, "-m", "venv", venv)
    # Wheels alone: installing one starts nothing of it.
    run(
        venv / "bin/python",
        "-I",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--only-binary",
        ":all:",
        "-r",
        lab / "requirements.txt",
        **cache,
    )
    galaxy = venv / "bin/ansible-galaxy"
    if not galaxy.exists():
        raise UpdateError("found a requirements.txt without ansible-core; expected it, with a version: add ansible-core==2.19.14")
    os.chdir(lab)
    here = {"ANSIBLE_COLLECTIONS_PATH": str(collections)}
    run(galaxy, "collection", "install", "-r", lab / "requirements.yml", "-p", collections, **here)
    command = collections / "ansible_collections/openlab/research_server/scripts/research-server-drift"
    if not command.is_file():
        raise UpdateError("found a requirements.yml without openlab.research_server; expected it, with a version: add it")
    (folder / WHOLE).touch()
    return folder


def switch(link: Path, target: str) -> None:
    """In one step: whoever follows it finds the one or the other."""
    new = link.with_name(f".{link.name}.new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    new.symlink_to(target)
    new.replace(link)


def tidy(state: Path, keep: list[Path]) -> None:
    """A run that has begun may still use the generation before."""
    needed = {(generation / "installed").resolve() for generation in keep}
    for folder in (state / "generations").iterdir():
        if folder not in keep:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in (state / "installed").iterdir():
        if folder.resolve() not in needed:
            shutil.rmtree(folder, ignore_errors=True)


def update(state: Path, *, repository: str, ref: str, python: str) -> str:
    """Make the generation of what the name stands for now the one in use."""
    commit = fetch(state, repository, ref)
    generation = check_out(state, commit)
    installed = install(state, generation / "lab", python)
    switch(generation / "installed", f"../../installed/{installed.name}")
    (generation / WHOLE).touch()
    current = state / "current"
    before = current.resolve() if current.is_symlink() else generation
    switch(current, f"generations/{commit}")
    tidy(state, [generation, before])
    return commit


def main(arguments: list[str]) -> int:
    settings, state = map(Path, arguments)
    try:
        commit = update(state, **json.loads(settings.read_text(encoding="utf-8")))
    except (UpdateError, OSError, subprocess.TimeoutExpired) as error:
        print(f"research-server-drift-update: {error}", file=sys.stderr)
        return 1
    print(f"the repository is at {commit}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
