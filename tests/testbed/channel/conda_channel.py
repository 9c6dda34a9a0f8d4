# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write conda packages and the index of a channel.

A channel is a folder with one folder per platform (``noarch``, ``linux-64``), each of which holds packages and a
``repodata.json``. The layout of both archive formats, of ``info/`` and of the index follows what conda 4.7 and newer read
(conda-package-streaming, conda-index). The same input gives the same bytes: no time, user or path of the build gets in.

    channel = tmp_path / "channel"
    write_package(channel, python_module("alpha", "1.0.0"))
    write_package(channel, python_module("beta", "2.0.0", depends=("alpha >=1",)), archive_format="tar.bz2")
    write_repodata(channel)
    # conda create -c file://{channel} --override-channels beta
"""

from __future__ import annotations

import bz2
import hashlib
import io
import json
import posixpath
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import zstandard

SUBDIRS = ("noarch", "linux-64")
# Stands for the environment's prefix in text files; conda replaces it while it links. As long as conda-build's, so that
# shebangs with it are too long for the kernel and conda has to rewrite them.
PLACEHOLDER = "/opt/" + "placehold_" * 20
# 2024-01-01T00:00:00Z, the time of every file, in seconds.
EPOCH = 1704067200
ZSTD_LEVEL = 6

ArchiveFormat = Literal["conda", "tar.bz2"]


@dataclass(frozen=True)
class File:
    """One entry of a package: a file with content, or a symbolic link."""

    data: bytes = b""
    executable: bool = False
    link_to: str | None = None

    @classmethod
    def text(cls, text: str, *, executable: bool = False) -> File:
        return cls(text.encode(), executable)


@dataclass(frozen=True)
class Package:
    """A package before it is written.

    ``files`` maps paths in the prefix to contents. With ``noarch="python"`` paths below ``site-packages/`` go to the
    environment's own site-packages, those below ``python-scripts/`` to ``bin/``, and conda makes the ``entry_points``
    (``command = module:function``). ``noarch="generic"`` is for data, ``None`` for packages of linux-64.
    ``depends`` and ``constrains`` are conda match specifications, ``"alpha >=1,<2"``.
    """

    name: str
    version: str
    files: Mapping[str, File] = field(repr=False)
    build: str = "0"
    build_number: int = 0
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    noarch: Literal["python", "generic"] | None = None
    entry_points: tuple[str, ...] = ()
    license: str = "MIT"

    @property
    def subdir(self) -> str:
        return "noarch" if self.noarch else "linux-64"

    @property
    def stem(self) -> str:
        """The archive's file name without its ending; conda's package cache knows packages by it alone."""
        return f"{self.name}-{self.version}-{self.build}"


def write_package(channel: Path, package: Package, archive_format: ArchiveFormat = "conda") -> Path:
    """Write the archive below ``channel`` and return its path. :func:`write_repodata` makes it known."""
    info = _info(package)
    target = channel / package.subdir / f"{package.stem}.{archive_format}"
    target.parent.mkdir(parents=True, exist_ok=True)
    if archive_format == "tar.bz2":
        target.write_bytes(bz2.compress(_tar({**info, **package.files})))
        return target
    compress = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, data in (
            ("metadata.json", b'{"conda_pkg_format_version": 2}'),
            (f"pkg-{package.stem}.tar.zst", compress(_tar(package.files))),
            (f"info-{package.stem}.tar.zst", compress(_tar(info))),
        ):
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), data)
    return target


def write_repodata(channel: Path) -> None:
    """Index the packages that lie below ``channel``: ``repodata.json`` and ``repodata.json.zst`` per platform."""
    for subdir in SUBDIRS:
        folder = channel / subdir
        folder.mkdir(parents=True, exist_ok=True)
        index: dict[str, Any] = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": {}, "removed": []}
        index["repodata_version"] = 1
        for path in sorted(folder.iterdir()):
            if path.name.endswith(".conda"):
                index["packages.conda"][path.name] = record(path)
            elif path.name.endswith(".tar.bz2"):
                index["packages"][path.name] = record(path)
        text = json.dumps(index, indent=1, sort_keys=True).encode()
        (folder / "repodata.json").write_bytes(text)
        (folder / "repodata.json.zst").write_bytes(zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(text))


def record(archive: Path) -> dict[str, Any]:
    """The index record of a package: its own ``info/index.json`` with the archive's size and checksums."""
    data = archive.read_bytes()
    found: dict[str, Any] = json.loads(read_member(archive, "info/index.json"))
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return {**found, "md5": md5, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def read_member(archive: Path, member: str) -> bytes:
    """The content of one file of a package. Raises KeyError if the package does not hold it."""
    if archive.name.endswith(".tar.bz2"):
        packed = bz2.decompress(archive.read_bytes())
    else:
        part = "info" if member.startswith("info/") else "pkg"
        with zipfile.ZipFile(archive) as parts:
            name = next(name for name in parts.namelist() if name.startswith(f"{part}-"))
            packed = zstandard.ZstdDecompressor().decompressobj().decompress(parts.read(name))
    with tarfile.open(fileobj=io.BytesIO(packed)) as files:
        found = files.extractfile(member)
        if found is None:
            raise KeyError(member)
        return found.read()


def unpack(package: Package, prefix: Path, site_packages: str = "lib/python3.11/site-packages") -> None:
    """Lay a package's files out below a prefix without conda: no entry points, no record, placeholders stay."""
    for path, entry in package.files.items():
        moved = path.startswith("site-packages/") and package.noarch == "python"
        target = prefix / (f"{site_packages}/{path.removeprefix('site-packages/')}" if moved else path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if entry.link_to is not None:
            target.symlink_to(entry.link_to)
            continue
        target.write_bytes(entry.data)
        target.chmod(0o755 if entry.executable else 0o644)


def python_module(  # noqa: PLR0913 - the fields of a package, of which a test names those that it is about
    name: str,
    version: str,
    *,
    build: str = "py_0",
    depends: tuple[str, ...] = (),
    constrains: tuple[str, ...] = (),
    command: str | None = None,
    source: str = "",
    module: str | None = None,
) -> Package:
    """A small pure Python package: one module that knows its version, and its installation record.

    ``command`` names a command line program that prints name and version. ``source`` is added to the module, which is
    called like the package unless ``module`` says otherwise.
    """
    distribution = module or name
    module = distribution.replace("-", "_")
    info = f"site-packages/{module}-{version}.dist-info"
    code = f"__version__ = {version!r}\n\n\ndef main():\n    print({name!r}, __version__)\n{source}"
    files = {
        f"site-packages/{module}/__init__.py": File.text(code),
        f"{info}/METADATA": File.text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"),
        f"{info}/WHEEL": File.text("Wheel-Version: 1.0\nGenerator: testbed\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        f"{info}/INSTALLER": File.text("conda\n"),
        f"{info}/RECORD": File.text(f"{module}/__init__.py,,\n"),
    }
    return Package(
        name=name,
        version=version,
        files=files,
        build=build,
        depends=("python >=3.8", *depends),
        constrains=constrains,
        noarch="python",
        entry_points=(f"{command} = {module}:main",) if command else (),
    )


def _info(package: Package) -> dict[str, File]:
    paths = [_path_entry(path, package.files) for path in sorted(package.files)]
    index: dict[str, Any] = {
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "build_number": package.build_number,
        "depends": list(package.depends),
        "constrains": list(package.constrains),
        "license": package.license,
        "subdir": package.subdir,
        "timestamp": EPOCH * 1000,
        "arch": None if package.noarch else "x86_64",
        "platform": None if package.noarch else "linux",
    }
    info: dict[str, Any] = {
        "about.json": {"summary": f"{package.name}, packed for tests"},
        "paths.json": {"paths": paths, "paths_version": 1},
    }
    if package.noarch:
        index["noarch"] = package.noarch
        noarch: dict[str, Any] = {"type": package.noarch}
        if package.entry_points:
            noarch["entry_points"] = list(package.entry_points)
        info["link.json"] = {"noarch": noarch, "package_metadata_version": 1}
    info["index.json"] = index
    files = {f"info/{name}": File.text(json.dumps(content, indent=1)) for name, content in info.items()}
    files["info/files"] = File.text("".join(f"{entry['_path']}\n" for entry in paths))
    replaced = [f'"{PLACEHOLDER}" "text" "{entry["_path"]}"\n' for entry in paths if "prefix_placeholder" in entry]
    if replaced:
        files["info/has_prefix"] = File.text("".join(replaced))
    return files


def _path_entry(path: str, files: Mapping[str, File]) -> dict[str, Any]:
    entry = files[path]
    kind, data = "hardlink", entry.data
    if entry.link_to is not None:
        # conda-build records the checksum of what a link points to, of nothing if that is not in the package.
        kind = "softlink"
        data = files.get(posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.link_to)), File()).data
    found = {"_path": path, "path_type": kind, "sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}
    if kind == "hardlink" and PLACEHOLDER.encode() in data:
        found |= {"file_mode": "text", "prefix_placeholder": PLACEHOLDER}
    return found


def _tar(files: Mapping[str, File]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(files):
            entry = files[path]
            member = tarfile.TarInfo(path)
            member.mtime = EPOCH
            if entry.link_to is None:
                member.size, member.mode = len(entry.data), 0o755 if entry.executable else 0o644
                archive.addfile(member, io.BytesIO(entry.data))
            else:
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, entry.link_to, 0o777
                archive.addfile(member)
    return packed.getvalue()
