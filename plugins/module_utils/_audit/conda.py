# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nobody declared of conda: environments, kernels, installations, and what is in those that were.

An environment may belong to a person (role conda_envs, `owner`), so whatever is in one is read like any other's files.
Private to this collection.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import itertools
import json
import os
import re
import stat
import typing as t
from collections.abc import Iterable, Iterator, Mapping, Set

from .._conda import shell_files
from .._conda.base_manifest import INSTALLED
from .._conda.channels import places
from .._conda.generations import FOLDER, Layout
from .._conda.installer import MARKER
from .._conda.manifest import BASE_MANIFEST_FILE, MANIFEST_FILE
from .._conda.records import channel_of, normal, without_credentials
from .._conda.specification import Settings
from .._conda.workshop import PACKAGE_CACHE, PRIVATE_CACHE
from .._jupyter.kernels import is_ours, kernel_name
from .._text.escapes import in_one_line, listing
from . import conda_cache
from .declared import Declared
from .finding import Finding, Severity
from .host import Host
from .host import names as names_of
from .lookalikes import mistaken_for
from .owners import packaged

TOPIC = "conda"

RECORD_LIMIT = 64 << 20
# Files that are told one by one.
TOLD = 50
MOST_FOLDERS = 200

# Where installations for everybody, and root's own, are: these folders and those in them.
SYSTEM_WIDE = ("/opt", "/usr/local", "/usr/share", "/srv", "/root", "/root/.conda/envs", "/var/lib")
# Two levels down as well; and whatever a lab has made at the top, for data or programs.
DEEPER = ("/opt", "/srv")
OF_SYSTEM = re.compile(r"bin|boot|dev|etc|home|lib\w*|lost\+found|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var")

PROGRAMS = tuple(f"{folder}/{name}" for folder in ("/usr/local/bin", "/usr/bin") for name in ("conda", "mamba", "micromamba"))
# conda reads them before the installation's own .condarc (conda/base/constants.py, SEARCH_PATH): what is final in them wins. Of
# folders it reads what ends in .yml or .yaml.
CONDARC_FILES = (
    *(f"{folder}/{name}" for folder in ("/etc/conda", "/var/lib/conda") for name in (".condarc", "condarc", ".mambarc")),
    # Of root, who installs with it by hand.
    *(f"/root/{name}" for name in (".condarc", ".mambarc", ".conda/.condarc", ".conda/condarc", ".config/conda/.condarc")),
)
CONDARC_FOLDERS = ("/etc/conda/condarc.d", "/var/lib/conda/condarc.d")
YAML = (".yml", ".yaml")

# jupyter_core, paths.py: what every JupyterLab of the host reads, whoever started it.
JUPYTER_DATA = ("/usr/local/share/jupyter", "/usr/share/jupyter")
JUPYTER_CONFIG = ("/usr/local/etc/jupyter", "/etc/jupyter", "/usr/local/etc/ipython", "/etc/ipython")

# What an installer brings comes from its publisher, whatever channels the lab has.
PUBLISHERS = {
    "Miniconda": "https://repo.anaconda.com/pkgs/",
    "Anaconda": "https://repo.anaconda.com/pkgs/",
    "Mini": "https://conda.anaconda.org/conda-forge",
    "Mamba": "https://conda.anaconda.org/conda-forge",
}
# Run at each start of Python (site(7), "Site-specific configuration hook"), or of a shell in the environment.
MODULES = (".py", ".so", ".pth")
SHADOWS = re.compile(r"python\d+\.zip|lib.+\.so(?:\.\d+)*")
# Read by pip, and by Python when it starts, of whatever prefix they lie in.
AT_TOP = ("pip.conf", "pyvenv.cfg")
LOOKED_AT = ("bin/", "lib/", "etc/", "share/jupyter/")
ACTIVATION = ("etc/conda/activate.d", "etc/conda/deactivate.d")
PYTHON = re.compile(r"python\d[\d.]*")
# Of no package, and nothing in Python's path: byte code, and what pip and conda leave when they are interrupted.
BESIDE = re.compile(r"__pycache__|.*\.(dist-info|egg-info)|~.*|.*\.c~")
IMPORTED = (".py", ".pyc", ".so", ".pth", ".egg", ".egg-link", ".zip")


def find(host: Host, declared: Declared) -> Iterator[Finding]:
    root = real(host, declared.conda_root) if declared.conda_root else ""
    yield from installations(host, root)
    yield from jupyter_files(host, declared)
    if not root or host.status(root) is None:
        return
    yield from environments(host, root, declared)
    yield from settings_files(
        host, (*CONDARC_FILES, f"{root}/condarc", f"{root}/.mambarc"), (*CONDARC_FOLDERS, f"{root}/condarc.d")
    )
    allowed = allowed_places(host, root, declared)
    for prefix in (Prefix(host, "base", root), *declared_prefixes(host, root, declared)):
        yield from prefix.findings(allowed)
    yield from cache(host, root)
    yield from rights(host, root)


def cache(host: Host, root: str) -> Iterator[Finding]:
    """Packages in the cache, of which environments to come are made."""
    for folder, odd in conda_cache.altered(host, f"{root}/{PACKAGE_CACHE}"):
        yield _finding(
            f"cache: {os.path.basename(folder)}",
            f"{folder} is not as it was unpacked: {listing(odd, 5)}",
            "the package's files",
            f"rm -r {folder} {folder}.conda {folder}.tar.bz2",
            "error",
        )


def real(host: Host, path: str) -> str:
    """The path on the host without links in it."""
    top = os.path.realpath(host.root).rstrip("/")
    found = os.path.realpath(host.path(path))
    return found[len(top) :] if found.startswith(f"{top}/") else path.rstrip("/")


def installations(host: Host, root: str) -> Iterator[Finding]:
    """Other condas, by the file that every prefix has."""
    tops = [f"/{name}" for name in host.names("/") if not OF_SYSTEM.fullmatch(name) and _own_folder(host, f"/{name}")]
    tops += [f"{top}/{name}" for top in DEEPER for name in host.names(top)[:MOST_FOLDERS] if real(host, f"{top}/{name}") != root]
    folders = [path for top in (*SYSTEM_WIDE, *tops) for path in (top, *(f"{top}/{name}" for name in host.names(top)))]
    for path in dict.fromkeys(folders):
        if host.status(f"{path}/conda-meta/history") is None or real(host, path) == root:
            continue
        # The role has moved it aside when it made the lab's.
        kept = bool(root) and re.fullmatch(rf"{re.escape(root)}\.replaced\.\d+", real(host, path)) is not None
        yield _finding(
            f"installation {path}",
            f"{path} is a conda installation or environment" + (" that the role miniconda has moved aside" if kept else ""),
            f"one conda for all{f', {root}' if root else ''}",
            f"rm -r {path}" + ("" if kept else f", or miniconda_prefix: {path}"),
            "notice" if kept else "warning",
        )
    programs = [
        path
        for path in PROGRAMS
        if host.status(path) is not None
        and not real(host, path).startswith(f"{root or '//'}/")
        and not (root and path == shell_files.PROGRAM)  # the role compares its text
    ]
    for path in _not_packaged(host, programs):
        yield _finding(f"program {path}", f"{path} is there for everybody", "conda comes with the role miniconda", f"rm {path}")


def _own_folder(host: Host, path: str) -> bool:
    """And not another file system, which may be a network's and slow."""
    status, top = host.status(path), host.status("/")
    return bool(status and top and stat.S_ISDIR(status.st_mode) and status.st_dev == top.st_dev)


def jupyter_files(host: Host, declared: Declared) -> Iterator[Finding]:
    """Kernels, extensions and settings that every JupyterLab would take."""
    ours = {kernel_name(name) for name in declared.environments}
    kernels = {f"{folder}/kernels" for folder in JUPYTER_DATA} | ({declared.kernels_dir.rstrip("/")} - {""})
    found = {f"{folder}/{name}": "kernel" for folder in kernels for name in host.names(folder)}
    found = {path: kind for path, kind in found.items() if not _our_kernel(host, declared, path, ours)}
    # Scripts of a kernel run in the browser of whoever opens a notebook with it (jupyter_client, "Kernel specs").
    folders = [f"{folder}/{name}" for folder in kernels for name in host.names(folder)]
    scripts = [f"{path}/{name}" for path in folders for name in host.names(path) if name.endswith((".js", ".css"))]
    found.update((path, "script of a kernel") for path in scripts if os.path.dirname(path) not in found)
    for folder in JUPYTER_DATA:
        for kind in host.names(folder):
            if kind != "kernels":
                found.update((f"{folder}/{kind}/{name}", "part of JupyterLab") for name in host.names(f"{folder}/{kind}"))
    for folder in JUPYTER_CONFIG:
        files = (path for path, status in host.walk(folder) if not stat.S_ISDIR(status.st_mode))
        found.update((path, "setting of Jupyter") for path in files)
    for path in _not_packaged(host, sorted(found)):
        way_out = f"rm -r {path}" + (", or an entry of conda_envs_environments that makes it" if found[path] == "kernel" else "")
        yield _finding(
            f"{found[path]} {path}", f"{path} is a {found[path]} for everybody", "kernels of the lab's environments", way_out
        )


def _our_kernel(host: Host, declared: Declared, path: str, ours: Set[str]) -> bool:
    """One that jupyter_kernels has made, and compares; also where its file is gone."""
    folder, name = os.path.split(path)
    file = f"{path}/kernel.json"
    if folder != declared.kernels_dir.rstrip("/"):
        return False
    if host.status(file) is None:
        return name in ours
    # Those of other languages have the name of their environment and one of their own.
    return any(name == kernel or name.startswith(f"{kernel}-") for kernel in ours) and is_ours(host.text(file) or "")


def environments(host: Host, root: str, declared: Declared) -> Iterator[Finding]:
    """What is in the folder of environments beside those of the lab; `.generations` has what the module keeps of each."""
    envs = f"{root}/envs"
    layouts = [Layout(f"{envs}/{name}") for name in declared.environments]
    paths = [f"{envs}/{name}" for name in host.names(envs) if not name.startswith(".") and name not in declared.environments]
    for name in host.names(f"{envs}/{FOLDER}"):
        if not name.startswith(".") and not any(layout.owns(name) for layout in layouts):
            paths.append(f"{envs}/{FOLDER}/{name}")
    names = names_of(host)
    for path in paths:
        status = host.status(path)
        owner = names.get(status.st_uid, f"uid {status.st_uid}") if status else "nobody"
        kind = "environment" if host.status(f"{path}/conda-meta") or (status and stat.S_ISLNK(status.st_mode)) else "entry"
        name = os.path.basename(path)
        yield _finding(
            f"environment {path}",
            f"{path} is an {kind} of {owner}",
            f"in {envs} are those of conda_envs_environments",
            f"conda_envs_environments: [{{name: {name}, ...}}], or rm -r {path}",
        )


def declared_prefixes(host: Host, root: str, declared: Declared) -> Iterator[Prefix]:
    """The lab's environments, each with the generation that people have now."""
    for name in sorted(declared.environments):
        link = f"{root}/envs/{name}"
        current = Layout(host.path(link)).current()
        status = host.status(link)
        if current:
            yield Prefix(host, name, f"{root}/envs/{FOLDER}/{os.path.basename(current)}")
        elif status and stat.S_ISDIR(status.st_mode):
            yield Prefix(host, name, link)


def settings_files(host: Host, files: Iterable[str], folders: Iterable[str]) -> Iterator[Finding]:
    """Files that conda reads beside the .condarc of the installation."""
    inside = (f"{folder}/{name}" for folder in folders for name in host.names(folder) if name.endswith(YAML))
    for path in (*files, *inside):
        if host.status(path) is not None:
            expected = "conda's settings for all come from miniconda_condarc and the role's other variables"
            yield _finding(f"settings {path}", f"conda reads {path}, too", expected, f"miniconda_condarc: {{...}}, and rm {path}")


def allowed_places(host: Host, root: str, declared: Declared) -> tuple[str, ...]:
    """URLs that the allowed channels stand for, by the settings of the installation; nothing where none is said."""
    settings = condarc_settings(host.text(f"{root}/.condarc") or "")
    return tuple(without_credentials(place).rstrip("/") for channel in declared.channels for place in places(channel, settings))


def condarc_settings(text: str) -> Settings:
    """The places in a .condarc, as the role's template writes them: each value in JSON's quotes."""
    alias, custom, defaults, key = "", [], [], ""
    for line in text.splitlines():
        top = re.match(r"(\w+):", line)
        key = top[1] if top else key
        words = re.findall(r'"(?:[^"\\]|\\.)*"', line)
        values = [str(json.loads(word)) for word in words]
        if key == "channel_alias" and values:
            alias = values[0].rstrip("/")
        elif key == "custom_channels" and len(values) == 2:
            custom.append((values[0], values[1]))
        elif key == "default_channels":
            defaults += values
    return Settings(channel_alias=alias, custom_channels=tuple(sorted(custom)), default_channels=tuple(defaults))


class Prefix:
    """An environment of the lab, or the installation itself. `path` is on the host, without links."""

    def __init__(self, host: Host, name: str, path: str) -> None:
        self.host, self.name, self.path = host, name, path
        self.whole = True
        self.records = list(self._records())
        self.sites = list(self._sites())

    def findings(self, allowed: tuple[str, ...]) -> Iterator[Finding]:
        yield from self.channels(allowed)
        yield from self.lookalikes()
        yield from self.unrecorded()
        if self.name != "base":
            files = (f"{self.path}/.condarc", f"{self.path}/condarc")
            yield from settings_files(self.host, files, [f"{self.path}/condarc.d"])
        yield from self.pins()

    def _records(self) -> Iterator[Record]:
        folder = f"{self.path}/conda-meta"
        for name in self.host.names(folder):
            if not name.endswith(".json"):
                continue
            content = None if self.host.late else _json(self.host.text(f"{folder}/{name}", RECORD_LIMIT))
            paths = content.get("files") if content else None
            if content is None or not isinstance(paths, list):
                # The role conda_envs says what is wrong with it.
                self.whole = False
            else:
                watched = frozenset(itertools.chain.from_iterable(map(_watched, map(str, paths))))
                yield Record(str(content.get("name")), channel_of(content), watched)

    def _sites(self) -> Iterator[str]:
        """Folders of Python packages, relative to the prefix. python3.1 is a link that conda-forge brings for old tools."""
        for name in self.host.names(f"{self.path}/lib"):
            status = self.host.status(f"{self.path}/lib/{name}")
            if PYTHON.fullmatch(name) and status and stat.S_ISDIR(status.st_mode):
                yield f"lib/{name}/site-packages"

    def distributions(self) -> Iterator[str]:
        """*.dist-info and the like, relative to the prefix."""
        for site in self.sites:
            for name in self.host.names(f"{self.path}/{site}"):
                if name.endswith((".dist-info", ".egg-info")):
                    yield f"{site}/{name}"

    def channels(self, allowed: tuple[str, ...]) -> Iterator[Finding]:
        """Packages from elsewhere than the lab allows. What came with the installer is its publisher's."""
        publishers = self._publishers() if self.name == "base" else ()
        for record in self.records if allowed else ():
            if record.place in allowed or record.place.startswith(publishers):
                continue
            yield _finding(
                f"{self.name}: package {record.name} from {record.place or 'nowhere'}",
                f"{record.name} in {self.path} has come from {record.place or 'nowhere'}",
                f"packages from {', '.join(allowed)}",
                f"miniconda_allowlist_channels: [..., {record.place}], or remove it and run the role conda_envs",
            )

    def _publishers(self) -> tuple[str, ...]:
        name = str((_json(self.host.text(f"{self.path}/{MARKER}")) or {}).get("name"))
        known = tuple(url for start, url in PUBLISHERS.items() if name.startswith(start))
        return known[:1] or tuple(PUBLISHERS.values())

    def lookalikes(self) -> Iterator[Finding]:
        pip = (os.path.basename(path).rpartition(".")[0].partition("-")[0] for path in self.distributions())
        for name in sorted({normal(name) for name in (*pip, *(record.name for record in self.records))}):
            popular = mistaken_for(name)
            if popular:
                expected = f"'{popular}', which has nearly the same name, or a package that somebody meant"
                way_out = f"correct the name in the environment's file, or accept it here if '{name}' is meant"
                yield _finding(f"{self.name}: package {name}", f"{self.path} has a package '{name}'", expected, way_out)

    def unrecorded(self) -> Iterator[Finding]:
        """What runs by itself, or can be imported, and no package of conda or pip has brought."""
        if not self.whole:
            return
        recorded = {path for record in self.records for path in record.files} | self._noted()
        candidates = [path for path in dict.fromkeys(self._candidates()) if path not in recorded]
        of_pip = self._recorded_by_pip() if candidates else frozenset()
        foreign = {path for path in candidates if path not in of_pip}
        for path in candidates:
            place = self._place(path)
            # What is in a folder of nobody's is told by the folder.
            if path in foreign and place and foreign.isdisjoint(_above(path, "")) and not self._of_build(place):
                yield _finding(
                    f"{self.name}: file {path}",
                    f"{place} belongs to no package",
                    "all that Python and shells load here comes from packages",
                    f"rm -r {place}, or put it into a package of the environment's file",
                    "error",
                )

    def _candidates(self) -> Iterator[str]:
        for site in self.sites:
            for name in self.host.names(f"{self.path}/{site}"):
                if not BESIDE.fullmatch(name):
                    yield f"site-packages/{name}"
            yield from self._modules(os.path.dirname(site))
        for folder in (*ACTIVATION, "share/jupyter/kernels", "bin"):
            yield from (f"{folder}/{name}" for name in self.host.names(f"{self.path}/{folder}"))
        # Python looks into such an archive first; programs find their libraries in `lib`.
        yield from (f"lib/{name}" for name in self.host.names(f"{self.path}/lib") if SHADOWS.fullmatch(name))
        for folder in ("etc/jupyter", "etc/ipython", "share/jupyter/labextensions", "share/jupyter/lab/settings"):
            files = (path for path, status in self.host.walk(f"{self.path}/{folder}") if not stat.S_ISDIR(status.st_mode))
            yield from (path[len(self.path) + 1 :] for path in files)
        yield from (name for name in AT_TOP if self.host.status(f"{self.path}/{name}") is not None)

    def _modules(self, library: str) -> Iterator[str]:
        """What Python imports in a library, however deep: a module beside one of a package may be taken in its place."""
        for top, folders, names in os.walk(self.host.path(f"{self.path}/{library}")):
            if self.host.late:
                return
            folders[:] = [name for name in folders if not BESIDE.fullmatch(name)]
            inside = os.path.relpath(top, self.host.path(self.path))
            for name in names:
                if name.endswith(MODULES):
                    yield _shortened(f"{inside}/{name}")

    def _place(self, path: str) -> str:
        """Where it is; empty for what Python neither imports nor reads in site-packages."""
        if not path.startswith("site-packages/"):
            return f"{self.path}/{path}"
        for site in self.sites:
            place = f"{self.path}/{os.path.dirname(site)}/{path}"
            status = self.host.status(place)
            if status is not None and (path.endswith(IMPORTED) or not stat.S_ISREG(status.st_mode)):
                return place
        return ""

    def _recorded_by_pip(self) -> frozenset[str]:
        """By the RECORD of each distribution (PyPA "Recording installed projects"); its paths are relative to site-packages."""
        found: set[str] = set()
        for path in self.distributions():
            with contextlib.suppress(csv.Error):
                for row in csv.reader((self.host.text(f"{self.path}/{path}/RECORD", RECORD_LIMIT) or "").splitlines()):
                    if row:
                        found.update(_watched(os.path.normpath(os.path.join(os.path.dirname(path), row[0]))))
        return frozenset(found)

    def _of_build(self, place: str) -> bool:
        """Whether it was there when the module had finished: packages may make files when they are linked (inode(7), ctime)."""
        name = INSTALLED if self.name == "base" else MANIFEST_FILE
        finished = (_json(self.host.text(f"{self.path}/{name}", RECORD_LIMIT)) or {}).get("finished_ns")
        status = self.host.status(place)
        return isinstance(finished, int) and status is not None and status.st_ctime_ns <= finished

    def _noted(self) -> frozenset[str]:
        """What an installer made and no package brought, as the modules have noted it: their roles compare it."""
        found: set[str] = set()
        for name in (INSTALLED, BASE_MANIFEST_FILE, MANIFEST_FILE):
            noted = (_json(self.host.text(f"{self.path}/{name}", RECORD_LIMIT)) or {}).get("made")
            rows = noted if isinstance(noted, list) else []
            found.update(row[0] for row in rows if isinstance(row, list) and row and isinstance(row[0], str))
        return frozenset(found)

    def pins(self) -> Iterator[Finding]:
        """Versions that somebody holds in place, where the module has noted others, or none."""
        path = f"{self.path}/conda-meta/pinned"
        if self.host.status(path) is None:
            return
        name = BASE_MANIFEST_FILE if self.name == "base" else MANIFEST_FILE
        noted = _json(self.host.text(f"{self.path}/{name}", RECORD_LIMIT)) or {}
        if noted.get("settings") != self._settings():
            expected = "the versions of packages are in the environment's file"
            yield _finding(
                f"{self.name}: pins", f"{path} was written by hand", expected, f"dependencies: [...] there, and rm {path}"
            )

    def _settings(self) -> str:
        """The same as manifest.settings(), of files that may be anybody's."""
        digest = hashlib.sha256()
        for name in ("state", "pinned"):
            text = self.host.text(f"{self.path}/conda-meta/{name}")
            digest.update(b"-" if text is None else hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest())
        return digest.hexdigest()


class Record(t.NamedTuple):
    """A package of conda, and those of its files that unrecorded() asks for."""

    name: str
    place: str
    files: frozenset[str]


_SITE = re.compile(r"(?:^|.*?/)(site-packages/(?:.+/)?[^/]+)")
_KERNEL = re.compile(r"(share/jupyter/kernels/[^/]+)(?:/|$)")


def _shortened(path: str) -> str:
    """By the name that records have of packages for any Python."""
    found = _SITE.fullmatch(path)
    return found[1] if found else path


def _watched(path: str) -> tuple[str, ...]:
    """What stands for a file of a package: its first folder where only that is looked at, and itself."""
    if path.startswith("python-scripts/"):
        return (f"bin/{path.partition('/')[2]}",)
    short = _shortened(path)
    if short.startswith("site-packages/"):
        top = "/".join(short.split("/")[:2])
        return (top, short) if short.endswith(MODULES) else (top,)
    found = _KERNEL.match(path)
    return (found[1],) if found else (path,) if path.startswith(LOOKED_AT) or "/" not in path else ()


def rights(host: Host, root: str) -> Iterator[Finding]:
    """Files and folders that others than their environment's owner could change."""
    told: dict[str, str] = {}
    names = names_of(host)
    owners: dict[str, tuple[int, int]] = {}
    own = host.status(root)
    for path, status in itertools.chain([(root, own)] if own else [], host.walk(root)):
        mode = 0 if stat.S_ISLNK(status.st_mode) else status.st_mode
        closed = mode & 0o005 != 0o005 if stat.S_ISDIR(mode) else not mode & 0o004 and mode and path.endswith(MODULES)
        if status.st_uid == 0 and not mode & stat.S_IWOTH and not (mode & stat.S_IWGRP and status.st_gid) and not closed:
            continue
        area = _area(path[len(root) + 1 :])
        if area not in owners:
            top = host.status(f"{root}/{area}") if area else None
            owners[area] = (top.st_uid, top.st_gid) if top else (0, 0)
        fault = _fault(status, mode, owners[area], names)
        if not fault and closed and area.startswith("envs/") and not os.path.basename(path).startswith("."):
            fault = "closed to others"
        # The private cache is closed to others: what is in it cannot be reached.
        if not fault or area == PRIVATE_CACHE or (area == PACKAGE_CACHE and _of_packer(path[len(root) + 1 :], status, names)):
            continue
        if any(told.get(folder) == fault for folder in _above(path, root)):
            continue
        told[path] = fault
        if len(told) > TOLD:
            yield _finding(
                f"{root}: more files",
                f"more than {TOLD} files below {root} can be changed by others",
                "root's, or its owner's",
                f"look at 'find {root} -not -user root -o -perm -o+w'",
                "error",
            )
            return
        way_out = f"chmod go-w {path}" if "writ" in fault else f"chown -h root:root {path}"
        expected = "only root, or the owner of the environment, changes it"
        if fault.startswith("closed"):
            way_out, expected = f"chmod go+rX {path}", "what people load they can read"
        yield _finding(f"{path}: {fault}", f"{path} is {fault}", expected, way_out, "error")
    if host.late:
        yield _finding(
            f"{root}: not all",
            f"time was up before all of {root} was looked through",
            "all of it",
            "audit_seconds: more",
            "notice",
        )


def _area(path: str) -> str:
    """The part of an installation that has an owner of its own: an environment or a generation, a cache."""
    parts = path.split("/")
    if parts[0] == "envs" and len(parts) > 1:
        return "/".join(parts[: 3 if parts[1] == FOLDER else 2])
    return parts[0] if parts[0] in (PACKAGE_CACHE, PRIVATE_CACHE) else ""


def _fault(status: os.stat_result, mode: int, owner: tuple[int, int], names: Mapping[int, str]) -> str:
    """What is wrong with a file in an area with this owner; empty if nothing is."""
    if status.st_uid not in (0, owner[0]):
        return f"owned by {names.get(status.st_uid, f'uid {status.st_uid}')}"
    if mode & stat.S_IWOTH:
        return "writable for everybody"
    return f"writable for group {status.st_gid}" if mode & stat.S_IWGRP and status.st_gid not in (0, owner[1]) else ""


def _of_packer(path: str, status: os.stat_result, names: Mapping[int, str]) -> bool:
    """In an extracted package: owned by a number of the machine that built it, or notes about it that no environment has."""
    return status.st_uid not in (0, *names) or (status.st_uid == 0 and path.split("/")[2:3] == ["info"])


def _above(path: str, root: str) -> Iterator[str]:
    while len(path) > len(root):
        path = os.path.dirname(path)
        yield path


def _not_packaged(host: Host, paths: Iterable[str]) -> list[str]:
    """Those that no package of the distribution has brought."""
    asked = list(paths)
    known = packaged(host, asked)
    return [path for path in asked if path not in known]


def _json(text: str | None) -> dict[str, t.Any] | None:
    """The mapping that a text is; None for anything else, however deep."""
    with contextlib.suppress(ValueError, RecursionError):
        content = json.loads(text or "")
        return content if isinstance(content, dict) else None
    return None


def _finding(name: str, found: str, expected: str, way_out: str, severity: Severity = "warning") -> Finding:
    return Finding(TOPIC, in_one_line(name), in_one_line(found), in_one_line(expected), in_one_line(way_out), severity)
