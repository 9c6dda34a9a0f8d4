# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real conda from the test bed's installer, channels of very small packages, and a way to run modules as Ansible does.

CONDA_INSTALLER names another installer, of another conda or with another solver.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import json
import os
import subprocess
import sys
import typing as t
import zipfile
from pathlib import Path

from channel.conda_channel import File, Package, write_package, write_repodata
from loaded import Loaded

ROOT = Path(__file__).resolve().parents[2]
MIRROR = ROOT / ".cache" / "mirror"
MODULES = "ansible_collections.openlab.research_server.plugins.modules"
# What Ansible's wrapper does on the host: hand over the arguments, then start the module.
RUN = """
import importlib, json, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
basic._ANSIBLE_PROFILE = "legacy"
importlib.import_module(sys.argv[1]).main()
"""


def plain(name: str, version: str, *depends: str, build: str = "0", channel: str = "lab", size: int = 0) -> Package:
    """A package without Python: quick to solve, link and check."""
    text = f"{name} {version} {build} {channel}\n" + "x" * size
    return Package(name, version, {f"share/{name}": File.text(text)}, build=build, depends=depends, noarch="generic")


CHANNELS = {
    "lab": [
        plain("lib", "1.0"),
        plain("lib", "1.1"),
        plain("lib", "2.0"),
        plain("app", "1.0", "lib >=1,<2"),
        plain("app", "2.0", "lib >=2"),
        plain("addon", "1.0", "app"),
        plain("old", "1.0", "lib <2"),
        plain("single", "1.0"),
        # As conda-forge has PyTorch: without a driver the one for CPUs.
        plain("net", "1.0", build="cpu_0"),
        plain("net", "2.0", "__cuda >=12", "cuda-version >=12.6,<13", build="cuda126_0"),
        plain("net", "3.0", "__cuda >=13", "cuda-version >=13,<14", build="cuda130_0"),
        plain("cuda-version", "12.6"),
        plain("cuda-version", "13.0"),
        *(plain(f"part{number}", "1.0", size=200_000) for number in range(8)),
        plain("all-parts", "1.0", *(f"part{number}" for number in range(8))),
    ],
    "lab/label/dev": [plain("lib", "2.1rc1", channel="dev")],
    "other": [plain("lib", "1.1", build="other", channel="other"), plain("lib", "3.0", channel="other"), plain("rare", "1.0")],
}


def wheel(folder: Path, name: str, version: str, requires: str = "") -> None:
    """A wheel with one module."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (f"Requires-Dist: {requires}\n" if requires else "")
    files = {
        f"{name}.py": f"version = {version!r}\n",
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text)}\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)


@dataclasses.dataclass(frozen=True)
class Conda:
    """An installation, its channels, and a home directory that no other test uses."""

    root: Path
    channels: Path
    wheels: Path
    home: Path

    def arguments(self, **arguments: t.Any) -> dict[str, t.Any]:
        return {"conda_root": str(self.root), "channel_alias": f"file://{self.channels}", **arguments}

    def start(
        self, module: str = "conda_env", check: bool = False, program: str = RUN, **arguments: t.Any
    ) -> subprocess.Popen[str]:
        """Start a module in a process group of its own."""
        process = subprocess.Popen(
            [sys.executable, "-c", program, f"{MODULES}.{module}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._variables(),
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(self._given(module, check, arguments))
        process.stdin.close()
        process.stdin = None
        return process

    def _variables(self) -> dict[str, str]:
        """The environment of modules."""
        misleading = {"CONDA_CHANNELS": "nowhere", "PIP_INDEX_URL": "http://127.0.0.1:9/nowhere"}
        return {**os.environ, "HOME": str(self.home), **misleading}

    def _given(self, module: str, check: bool, arguments: dict[str, t.Any]) -> str:
        """What a module reads."""
        values = {**(self.arguments(**arguments) if module == "conda_env" else arguments), "_ansible_check_mode": check}
        values |= {"_ansible_remote_tmp": str(self.home / "tmp"), "_ansible_keep_remote_files": False}
        return json.dumps({"ANSIBLE_MODULE_ARGS": values})

    def run(self, module: str = "conda_env", check: bool = False, program: str = RUN, **arguments: t.Any) -> dict[str, t.Any]:
        """Run a module to its end; its result, or a failed assertion with its output."""
        given = self._given(module, check, arguments)
        done = self._of_modules.run(program, f"{MODULES}.{module}", environment=self._variables(), given=given)
        assert done.stdout, done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        result: dict[str, t.Any] = json.loads(done.stdout)
        assert "Traceback" not in result.get("msg", ""), result
        assert result.pop("exception", None) is None
        return result

    def ansible(self, module: str, *options: str, **arguments: t.Any) -> str:
        """Run a module with its controller side, through Ansible; all that it prints, the result as JSON after ' => '."""
        command = ["ansible", "localhost", "-i", "localhost,", "-c", "local", "-m", f"openlab.research_server.{module}"]
        command += ["-a", json.dumps(self.arguments(**arguments)), "-e", f"ansible_python_interpreter={sys.executable}"]
        env = {**os.environ, "HOME": str(self.home), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
        done = subprocess.run([*command, *options], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def make(self, name: str, *dependencies: t.Any, **arguments: t.Any) -> dict[str, t.Any]:
        """`conda_env` with channels `lab`, `other`; it must not fail."""
        definition = {"channels": ["lab", "other"], "dependencies": list(dependencies)}
        definition |= {key: arguments.pop(key) for key in ("variables", "channels") if key in arguments}
        result = self.run(name=name, definition=definition, **arguments)
        assert not result.get("failed"), result["msg"]
        return result

    def packages(self, name: str) -> dict[str, str]:
        """What conda itself says is in an environment: name -> version=build."""
        listing = self.conda("list", "-n", name, "--json")
        return {item["name"]: f"{item['version']}={item['build_string']}" for item in json.loads(listing)}

    def conda(self, *arguments: str) -> str:
        """The installation's own conda, as a person would use it."""
        env = {"HOME": str(self.home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        done = subprocess.run([self.root / "bin/conda", *arguments], env=env, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @functools.cached_property
    def _of_modules(self) -> Loaded:
        return Loaded(sys.executable, "import ansible.module_utils.basic", self._variables())

    def solver(self) -> str:
        """The solver that conda uses here."""
        return str(json.loads(self.conda("config", "--show", "solver", "--json"))["solver"])

    def environment(self, name: str) -> Path:
        return self.root / "envs" / name

    def generations(self, name: str) -> list[str]:
        folder = self.root / "envs/.generations"
        return sorted(path.name for path in folder.iterdir() if path.name.startswith(name)) if folder.is_dir() else []


def installer() -> dict[str, str]:
    """URL and checksum of the installer that brings conda, as modules take them."""
    path = os.environ.get("CONDA_INSTALLER", "")
    if path:
        return {"url": f"file://{path}", "checksum": f"sha256:{hashlib.sha256(Path(path).read_bytes()).hexdigest()}"}
    mirror = json.loads((MIRROR / "mirror.json").read_text())
    return {"url": f"file://{MIRROR}/miniconda/{mirror['installer']}", "checksum": mirror["checksum"]}


def install(base: Path) -> Conda:
    """A fresh installation below a folder."""
    if not (MIRROR / "mirror.json").is_file():
        raise FileNotFoundError("found no .cache/mirror; run 'make mirror' first")
    channels, wheels, home = base / "channels", base / "wheels", base / "home"
    for folder in (channels, wheels, home, home / "tmp"):
        folder.mkdir()
    for name, packages in CHANNELS.items():
        for package in packages:
            write_package(channels / name, package)
        write_repodata(channels / name)
    for name in ("conda-forge", "pytorch"):
        (channels / name).symlink_to(MIRROR / "conda" / name)
    wheel(wheels, "tiny", "1.0")
    wheel(wheels, "tiny", "2.0")
    wheel(wheels, "needy", "1.0", requires="tiny>=2")
    wheel(wheels, "greedy", "1.0", requires="alpha>=2")
    wheel(wheels, "alpha", "2.0.0")
    made = Conda(base / "root", channels, wheels, home)
    installed = made.run(module="conda_installation", prefix=str(made.root), **installer())
    assert installed["changed"], installed
    # A person's and the installation's configuration, both of which must not matter.
    for path in (made.root / ".condarc", home / ".condarc"):
        path.write_text(f"channels: [file://{channels}/other]\nchannel_priority: disabled\npinned_packages: [lib=3]\n")
    return made
