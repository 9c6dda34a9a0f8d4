# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A self-extracting installer with the interface of Miniconda's, which installs a real upstream conda.

conda itself (24.7.1, BSD-3-Clause) is a vendored copy in the wheel of conda-lock. It is put back under its own name, packed as a
conda package, and then installs itself, with the packages it needs, into a base environment that becomes the payload.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import zipfile
from pathlib import Path

from shell import TestbedError, run

from .conda_channel import EPOCH, File, Package, unpack, write_package, write_repodata
from .wheels import PYTHON, Wheel

TEMPLATES = Path(__file__).resolve().parent / "installer"
VENDORED = "conda_lock/_vendor/conda/"
# Stands for the installation prefix in the payload.
PLACEHOLDER = "/opt/testbed_installation_prefix"
# Where the base environment's records say that its packages came from: a name that never resolves (RFC 2606).
BASE_CHANNEL = "https://conda.invalid/base"


def conda_package(wheel: Wheel, depends: tuple[str, ...]) -> Package:
    """The package ``conda`` from the wheel of conda-lock."""
    files: dict[str, File] = {}
    with zipfile.ZipFile(wheel.path) as archive:
        for member in archive.namelist():
            if member.startswith(VENDORED) and not member.endswith("/"):
                data = archive.read(member).replace(b"conda_lock._vendor.conda", b"conda")
                files[f"site-packages/conda/{member.removeprefix(VENDORED)}"] = File(data)
    constants = "site-packages/conda/base/constants.py"
    # libmamba, the default solver, is not on PyPI; a setting in PREFIX/.condarc would be in the role's way.
    solver = re.compile(rb'^(DEFAULT_SOLVER\b[^=]*= )"libmamba"', re.MULTILINE)
    files[constants] = File(_replace_once(solver, rb'\1"classic"', files[constants].data))
    found = re.search(rb"^__version__ = .*?([\d.]+)['\"]$", files["site-packages/conda/_version.py"].data, re.MULTILINE)
    if found is None:
        raise TestbedError("the wheel of conda-lock holds no conda whose version can be read")
    version = found[1].decode()
    info = f"site-packages/conda-{version}.dist-info"
    entry_point = "conda = conda.cli.main:main"
    files |= {
        "site-packages/conda/shell/etc/profile.d/conda.sh": File((TEMPLATES / "conda.sh").read_bytes()),
        "site-packages/conda/shell/etc/fish/conf.d/conda.fish": File((TEMPLATES / "conda.fish").read_bytes()),
        f"{info}/METADATA": File.text(f"Metadata-Version: 2.1\nName: conda\nVersion: {version}\n"),
        f"{info}/entry_points.txt": File.text(f"[console_scripts]\n{entry_point}\n"),
        f"{info}/INSTALLER": File.text("conda\n"),
        f"{info}/RECORD": File.text(""),
    }
    return Package(
        name="conda",
        version=version,
        files=files,
        build="pytestbed_0",
        depends=(f"python {PYTHON}.*", *depends),
        noarch="python",
        entry_points=(entry_point,),
        license="BSD-3-Clause",
    )


def _replace_once(pattern: re.Pattern[bytes], replacement: bytes, text: bytes) -> bytes:
    changed, count = pattern.subn(replacement, text)
    if count != 1:
        raise TestbedError(f"expected {pattern.pattern!r} once in conda's sources, found it {count} times")
    return changed


def file_name(version: str) -> str:
    return f"Miniconda3-{version}-Linux-x86_64.sh"


def build(packages: list[Package], work: Path, build_number: int, target: Path) -> str:
    """Write the installer into the folder ``target`` and return its version, ``py311_<conda version>-<build number>``.

    ``packages`` are all that the base environment holds. ``work`` is an empty folder for what comes in between.
    """
    channel, stage = work / "base", work / "prefix"
    for package in packages:
        write_package(channel, package)
        unpack(package, work / "bootstrap")
    write_repodata(channel)
    _install(work, channel, stage)
    conda = next(package for package in packages if package.name == "conda")
    _finish(stage)
    version = f"py{PYTHON.replace('.', '')}_{conda.version}-{build_number}"
    payload = _pack(_relocatable(stage, channel))
    header = (TEMPLATES / "header.sh").read_text().replace("@VERSION@", version)
    header = header.replace("@SHA256@", hashlib.sha256(payload).hexdigest())
    header = header.replace("@LINES@", str(header.count("\n") + 1))
    target.mkdir(parents=True, exist_ok=True)
    installer = target / file_name(version)
    installer.write_bytes(header.encode() + payload)
    installer.chmod(0o755)
    return version


def _install(work: Path, channel: Path, stage: Path) -> None:
    """Let conda, run from plainly unpacked packages and with nobody's settings, create the base environment."""
    (work / "condarc").write_text("channels: []\ndefault_channels: []\n")
    env = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(work / "home"),
        "LC_ALL": "C.UTF-8",
        "CONDARC": str(work / "condarc"),
        "CONDA_PKGS_DIRS": str(work / "pkgs"),
        "CONDA_REGISTER_ENVS": "false",
        "CONDA_OVERRIDE_GLIBC": "2.36",
        "PYTHONHASHSEED": "0",  # the order in which conda writes sets
    }
    command: list[str | Path] = [
        "create",
        "--yes",
        "--quiet",
        "--copy",
        "--prefix",
        stage,
        "--override-channels",
        "-c",
        f"file://{channel}",
    ]
    start = "import sys; from conda.cli import main; sys.exit(main())"
    python = work / "bootstrap/bin/python"
    run([python, "-B", "-c", start, *command, "python", "pip", "wheel", "conda"], timeout=300, env=env)
    _forget_build_path(python, work, stage)


def _forget_build_path(python: Path, work: Path, stage: Path) -> None:
    """Compile once more what conda compiled: its byte code names the source's path, here and not where it will be installed.

    The new byte code has paths without the prefix, and is valid for its source's content whatever the time it is unpacked.
    """
    sources = []
    for path in stage.rglob("*.pyc"):
        if str(stage).encode() in path.read_bytes():
            path.unlink()
            sources.append(path.parent.parent / f"{path.name.partition('.')[0]}.py")
    (work / "sources").write_text("".join(f"{path}\n" for path in sorted(sources)))
    options: list[str | Path] = ["--invalidation-mode", "checked-hash", "-s", stage, "-i", work / "sources"]
    run([python, "-I", "-W", "ignore", "-m", "compileall", "-q", *options], timeout=300)


def _finish(stage: Path) -> None:
    """What Miniconda's base has beside its packages."""
    for path, export in (("etc/profile.d/conda.sh", "export {}='{}'\n"), ("etc/fish/conf.d/conda.fish", "set -gx {} '{}'\n")):
        exports = export.format("CONDA_EXE", stage / "bin/conda") + export.format("CONDA_PYTHON_EXE", stage / "bin/python")
        (stage / path).parent.mkdir(parents=True)
        (stage / path).write_text(exports + (TEMPLATES / Path(path).name).read_text())
    (stage / "bin/activate").write_text(f'. "{stage}/etc/profile.d/conda.sh"\nconda activate "$@"\n')
    (stage / "condabin").mkdir()
    (stage / "condabin/conda").symlink_to("../bin/conda")
    for folder in ("pkgs", "envs"):
        (stage / folder).mkdir(exist_ok=True)
    for name in ("urls", "urls.txt"):
        (stage / "pkgs" / name).write_text("")
    history = stage / "conda-meta/history"
    text = re.sub(r"^==> .* <==$", "==> 2024-01-01 00:00:00 <==", history.read_text(), flags=re.MULTILINE)
    history.write_text(re.sub(r"^# cmd: .*$", "# cmd: constructor", text, flags=re.MULTILINE))
    (stage / ".relocate.py").write_bytes((TEMPLATES / "relocate.py").read_bytes())


def _relocatable(stage: Path, channel: Path) -> dict[str, File]:
    """The staged files with placeholders in place of the machine's own paths, and the plan for the installer's last step."""
    files: dict[str, File] = {}
    naming_prefix: list[str] = []
    moved: dict[str, str] = {}  # checksum of such a file as staged -> its path
    ours = {str(stage): PLACEHOLDER, f"file://{channel}": BASE_CHANNEL, str(channel.parent / "pkgs"): f"{PLACEHOLDER}/pkgs"}
    # conda's records come last: they hold the checksums of the others
    for path in sorted(stage.rglob("*"), key=lambda found: (found.parent.name == "conda-meta", found)):
        inside = path.relative_to(stage).as_posix()
        if path.is_symlink():
            files[inside] = File(link_to=str(path.readlink()))
        elif path.is_dir() and not any(path.iterdir()):
            files[f"{inside}/.keep"] = File()
        elif path.is_file():
            staged = data = path.read_bytes()
            for mine, portable in ours.items():
                data = data.replace(mine.encode(), portable.encode())
            if path.parent.name == "conda-meta":
                for checksum, named in moved.items():
                    data = data.replace(f'"{checksum}"'.encode(), f'"sha256 of {named}"'.encode())
            elif PLACEHOLDER.encode() in data:
                naming_prefix.append(inside)
                moved[hashlib.sha256(staged).hexdigest()] = inside
            if data != staged and b"\0" in data:
                raise TestbedError(f"{inside} is binary and names the path it was built in")
            files[inside] = File(data, executable=bool(path.stat().st_mode & 0o111))
    plan = {
        "placeholder": PLACEHOLDER,
        "files": naming_prefix,
        "records": sorted(Path(path).name for path in files if path.startswith("conda-meta/") and path.endswith(".json")),
    }
    files[".relocate.json"] = File.text(json.dumps(plan))
    return files


def _pack(files: dict[str, File]) -> bytes:
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=EPOCH) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for path in sorted(files):
            entry = files[path]
            member = tarfile.TarInfo(path)
            member.mtime = EPOCH
            member.mode = 0o755 if entry.executable else 0o644
            if entry.link_to is None:
                member.size = len(entry.data)
                archive.addfile(member, io.BytesIO(entry.data))
            else:
                member.type, member.linkname = tarfile.SYMTYPE, entry.link_to
                archive.addfile(member)
    return packed.getvalue()
