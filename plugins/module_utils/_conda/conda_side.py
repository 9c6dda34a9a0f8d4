# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part that runs under the conda installation's own interpreter and asks conda itself.

Usage: PREFIX/bin/python -s helper.py REQUEST.json RESULT.json

It imports nothing of this collection, and conda only when it runs. What it uses of conda exists from 24.7 to 26.x:
`conda.api.Solver.solve_for_diff`, `PrefixSetup` and `UnlinkLinkTransaction` (as conda-build and others use them), and
`reset_context(search_path)`, which names the only configuration file that is read. Results travel in a file: what conda
prints is nobody's interface. Private to this collection.
"""

# ruff: noqa: PLC0415  conda exists only where this runs
from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import typing as t
from urllib.parse import unquote, urlsplit

RECORD_FIELDS = ("name", "version", "build", "url", "sha256", "md5", "subdir")
# Besides, what a record needs to be linked as if it came from the channel's index.
LOCK_FIELDS = ("build_number", "size", "noarch", "depends", "constrains", "python_site_packages_path")
# Parts of a dependency that only say when it counts, and which variants of it do (CEP 43 and its kin, conda 26.5).
_CONDITION = re.compile(r"\[(?:.*[,\s])?when\s*=")
_VARIANTS = re.compile(r",?\s*\b(?:extras|flags)\s*=\s*\[[^\]]*\]")


class LockMismatchError(Exception):
    """A package is not the one that the lock names."""


class BaseProtectedError(Exception):
    """What is asked for would take something away from the conda installation itself."""


class LockIncompleteError(Exception):
    """The packages of the lock do not work together, or not on this host."""


def condarc(request: dict[str, t.Any]) -> dict[str, t.Any]:
    """The whole configuration: what the task says, and nothing that a person or a package put on the host."""
    settings = {
        "channels": request["channels"],
        "channel_priority": request["channel_priority"],
        "custom_channels": request["custom_channels"],
        "pkgs_dirs": request["pkgs_dirs"],
        "envs_dirs": [request["envs_dir"]],
        "offline": request["offline"],
        "always_yes": True,
        "quiet": True,
        "json": True,
        "show_channel_urls": True,
        "notify_outdated_conda": False,
        "auto_update_conda": False,
        "report_errors": False,
        "register_envs": False,
        "aggressive_update_packages": [],
        "pinned_packages": [],
        "create_default_packages": [],
        "track_features": [],
        # Channels may name others to look into; only those count that are declared.
        "channel_relations_max_depth": 0,
        "add_pip_as_python_dependency": True,
        "allow_softlinks": False,
        # A file that was changed in the package cache is refused instead of installed.
        "safety_checks": "enabled",
        "extra_safety_checks": True,
    }
    for key in ("channel_alias", "default_channels"):
        if request[key]:
            settings[key] = request[key]
    if not request["shards"]:
        settings |= {"repodata_use_shards": False, "plugins": {"use_sharded_repodata": False}}  # of conda, and of its solver
    return settings


def configure(request: dict[str, t.Any]) -> t.Any:
    """Point conda at our configuration file alone, and make sure that it listens."""
    from conda.base.context import context, reset_context

    path = os.path.join(request["scratch"], "condarc.yml")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        settings = {**condarc(request), **policy(context)}
        settings["plugins"] = {**settings.get("plugins", {}), **accepted_terms(context)}
        json.dump({key: value for key, value in settings.items() if key != "plugins" or value}, file)  # JSON is YAML
    reset_context(search_path=(path,))
    # conda forgets the settings of plugins here, but not that it has read them.
    context.__dict__.pop("plugins", None)
    if tuple(context.channels) != tuple(request["channels"]):
        raise RuntimeError("conda does not take the channels from the task's configuration")
    return context


def policy(context: t.Any) -> dict[str, t.Any]:
    """What the host's owner forbids in the installation's own configuration: channels, packages, and packages that are too new.

    A condarc that conda cannot read forbids nothing to conda either.
    """
    from conda.base.context import reset_context
    from conda.models.channel import Channel

    try:
        reset_context()
        found = {key: getattr(context, key, None) for key in ("disallowed_packages", "exclude_newer", "exclude_newer_package")}
        found = {key: details(value) if isinstance(value, (list, tuple)) else value for key, value in found.items()}
        for key in ("allowlist_channels", "denylist_channels"):
            # By the host's own aliases, which the task need not share.
            found[key] = [url for name in getattr(context, key, ()) for url in Channel(name).base_urls]
    except Exception:
        return {}
    return {key: dict(value) if hasattr(value, "items") else value for key, value in found.items() if value}


class CannotKeepError(Exception):
    """What should be kept does not go with the specification. `errors` is what conda says."""

    def __init__(self, names: list[str], error: BaseException) -> None:
        super().__init__(str(error))
        self.names = names
        self.errors = [error]


def accepted_terms(context: t.Any) -> dict[str, t.Any]:
    """What the host's owner said about terms of service in the installation's own configuration. It chooses no package."""
    from conda.base.context import reset_context

    if not terms_hooks(context):
        return {}
    try:
        reset_context()
        accepted = bool(context.plugins.auto_accept_tos)
    except Exception:
        return {}
    return {"auto_accept_tos": True} if accepted else {}


def terms_hooks(context: t.Any) -> list[t.Any]:
    """The plugin that knows terms of service, as conda-anaconda-tos calls it; nothing if the installation has none."""
    try:
        return [hook for hook in context.plugin_manager.get_hook_results("pre_commands") if hook.name == "check_tos"]
    except Exception:
        return []


def respect_terms(context: t.Any) -> None:
    """Let that plugin look at the channels: conda asks it in its commands, not in its API."""
    for hook in terms_hooks(context):
        try:
            hook.action("create")
        except Exception as error:
            if any(cls.__name__ == "CondaToSError" for cls in type(error).__mro__):
                raise


def by_priority(
    request: dict[str, t.Any], context: t.Any, ask: t.Callable[[dict[str, t.Any], t.Any], t.Any]
) -> tuple[t.Any, list[str]]:
    """(answer, notes) with the channel priority that was asked for, also from a solver that has only two of the three.

    Where `strict` has an answer, it is that of `flexible`. rattler takes `flexible` for `disabled`, and nobody is told.
    """
    if request["channel_priority"] != "flexible" or context.solver != "rattler" or len(request["channels"]) == 1:
        return ask(request, context), []
    try:
        return ask(request, configure({**request, "channel_priority": "strict"})), []
    except Exception:
        found = ask(request, configure({**request, "channel_priority": "disabled"}))
    note = "the solver rattler knows no channel priority 'flexible', and strict priority has no answer"
    return found, [f"{note}: each package is the newest of all channels ('disabled')"]


def solve(request: dict[str, t.Any], context: t.Any) -> tuple[list[t.Any], list[t.Any], list[str]]:
    """(match specs, records to link in order, names of those beyond the specification) for a prefix that is empty."""
    from conda.api import Solver
    from conda.models.channel import Channel
    from conda.models.match_spec import MatchSpec

    def ask(specs: list[t.Any], channels: list[t.Any]) -> list[t.Any]:
        solver = Solver(request["prefix"], channels, context.subdirs, specs_to_add=specs)
        _unlink, link = solver.solve_for_diff()
        return list(link)

    specs = [MatchSpec(spec) for spec in request["specs"]]
    channels = [Channel(channel) for channel in request["channels"]]
    records = ask(specs, channels)
    needed = {record.name for record in records}
    keep = [item for item in request["keep"] if item["name"] not in needed]
    if not keep:
        return specs, records, []
    declared = {url for channel in channels for url in channel.base_urls}
    # A package that came from elsewhere can only be kept from there; what the specification asks for is looked up here first.
    beyond = [Channel(url) for url in dict.fromkeys(item["channel"] for item in keep) if url not in declared]
    wanted = [
        MatchSpec(name=item["name"], version=f"=={item['version']}", build=item["build"], channel=item["channel"])
        for item in keep
    ]
    try:
        records = ask([*specs, *wanted], [*channels, *beyond])
    except Exception as error:
        raise CannotKeepError(blame(keep, wanted, lambda spec: ask([*specs, spec], [*channels, *beyond])), error) from error
    return [*specs, *wanted], records, sorted({record.name for record in records} - needed)


def extend(request: dict[str, t.Any], context: t.Any) -> tuple[list[t.Any], list[t.Any], list[t.Any]]:
    """(match specs, records to unlink, records to link) with which packages come to a conda installation, and none goes.

    What is there and fits is left alone; first everything else is, too, then as little as conda finds necessary moves. Last, what
    former specifications of a task said about other packages does not count any more; what people asked for does.
    """
    from conda.api import Solver
    from conda.base.constants import UpdateModifier
    from conda.core.prefix_data import PrefixData
    from conda.models.channel import Channel
    from conda.models.match_spec import MatchSpec

    # The solver libmamba would look into the channels of everything that is there. Older versions know no other way to say so.
    os.environ["CONDA_LIBMAMBA_SOLVER_NO_CHANNELS_FROM_INSTALLED"] = "1"
    specs = [MatchSpec(spec) for spec in request["specs"]]
    channels = [Channel(channel) for channel in request["channels"]]
    installed = {record.name: record for record in PrefixData(request["prefix"]).iter_records()}
    lacking = [spec for spec in specs if not present(spec, installed)]
    if not lacking:
        return specs, [], []
    attempts = [(UpdateModifier.FREEZE_INSTALLED, lacking), (UpdateModifier.UPDATE_SPECS, specs)]
    loose = [MatchSpec(name) for name in request["former"] if name in installed and name not in {spec.name for spec in specs}]
    if loose:
        attempts.append((UpdateModifier.UPDATE_SPECS, [*specs, *loose]))
    failure: Exception | None = None
    for modifier, asked in attempts:
        try:
            solver = Solver(request["prefix"], channels, context.subdirs, specs_to_add=asked)
            unlink, link = (list(records) for records in solver.solve_for_diff(update_modifier=modifier))
            protect(specs, installed, unlink, link)
        except Exception as error:
            # Of several reasons the one that names what would go is the best one.
            failure = failure if isinstance(failure, BaseProtectedError) else error
            continue
        # conda's history takes these for what people asked for last.
        return (specs if asked is lacking else asked), unlink, link
    if any(spec.name == "python" for spec in lacking) and not isinstance(failure, BaseProtectedError):
        raise BaseProtectedError(f"python {installed['python'].version} cannot be replaced: {failure}") from failure
    raise failure or RuntimeError("conda has found no answer")


def needs(record: t.Any) -> t.Iterator[t.Any]:
    """The dependencies of a package that count in any case; about the others the solver has decided."""
    from conda.models.match_spec import MatchSpec

    yield from (MatchSpec(text) for text in map(plain_need, record.depends) if text)


def plain_need(text: str) -> str:
    """A dependency by name, version and build; empty if it counts under a condition only."""
    if _CONDITION.search(text):
        return ""
    return _VARIANTS.sub("", text).replace("[,", "[").replace("[]", "").strip()


def present(spec: t.Any, records: dict[str, t.Any]) -> bool:
    """Whether a package that fits is there, with all that it needs."""
    found = [record for record in records.values() if spec.match(record)]
    seen = set()
    complete = bool(found)
    while found and complete:
        record = found.pop()
        if record.name in seen:
            continue
        seen.add(record.name)
        for need in needs(record):
            if need.name.startswith("__"):
                continue
            complete = complete and need.name in records and bool(need.match(records[need.name]))
            found += [records[need.name]] if need.name in records else []
    return complete


def protect(specs: list[t.Any], installed: dict[str, t.Any], unlink: list[t.Any], link: list[t.Any]) -> None:
    """Refuse an answer that takes a package away, moves Python to another minor version, or is not what was asked for."""
    gone = {record.name for record in unlink}
    final = {name: record for name, record in installed.items() if name not in gone}
    final.update((record.name, record) for record in link)
    python, wanted = installed["python"].version, final["python"].version if "python" in final else "nothing"
    if python.split(".")[:2] != wanted.split(".")[:2]:
        raise BaseProtectedError(f"python {python} would become {wanted}")
    lost = sorted(set(installed) - set(final))
    if lost:
        raise BaseProtectedError(f"it would be without {', '.join(lost)}")
    missing = [str(spec) for spec in specs if not str(spec.name).startswith("__") and not present(spec, final)]
    if missing:
        raise RuntimeError(f"it does not provide {', '.join(missing)}")


def unmet(lines: list[str]) -> tuple[list[str], list[str]]:
    """Requirements of pip that this interpreter does not meet, and those about which the lines alone do not tell."""
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import InvalidRequirement, Requirement

    missing, unknown = [], []
    for line in lines:
        text = line.split(" #", 1)[0].strip()
        if text.startswith("#"):
            continue
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            # An option alone brings no package.
            if not text.startswith("--") or text.startswith(("--requirement", "--editable")):
                unknown.append(line)
            continue
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        try:
            fits = wanted.specifier.contains(version(wanted.name), prereleases=True)
        except PackageNotFoundError:
            fits = False
        if not fits:
            missing.append(line)
        elif wanted.url or wanted.extras:
            unknown.append(line)
    return missing, unknown


def blame(keep: list[t.Any], wanted: list[t.Any], ask: t.Callable[[t.Any], t.Any]) -> list[str]:
    """Those that cannot be kept even alone; all, if each of them could be."""
    found = []
    for item, spec in zip(keep, wanted):
        try:
            ask(spec)
        except Exception:
            found.append(f"{item['name']} {item['version']} {item['build']}")
    return found or [f"{item['name']} {item['version']} {item['build']}" for item in keep]


def locked(request: dict[str, t.Any], context: t.Any) -> tuple[list[t.Any], list[t.Any], list[str]]:
    """The same as `solve`, but from the records of a lock: nothing is chosen, no index is read."""
    from conda.models.channel import Channel
    from conda.models.match_spec import MatchSpec
    from conda.models.prefix_graph import PrefixGraph
    from conda.models.records import PackageRecord

    records = []
    for item in request["records"]:
        fields = {key: value for key, value in item.items() if value not in ("", 0, []) or key == "build_number"}
        records.append(PackageRecord(**{**fields, "channel": Channel(f"{item['channel']}/{item['subdir']}")}))
    check_together(records, context)
    return [MatchSpec(spec) for spec in request["specs"]], list(PrefixGraph(records).graph), []


def check_together(records: list[t.Any], context: t.Any) -> None:
    """A lock may have been edited, or made for hosts with another system: every dependency must be there."""
    from conda.models.records import PackageRecord

    known = {record.name: record for record in records}
    wanted = [(record, spec) for record in records for spec in needs(record)]
    if any(spec.name.startswith("__") for _record, spec in wanted):
        manager = context.plugin_manager
        if hasattr(manager, "get_virtual_package_records"):
            known.update((item.name, item) for item in manager.get_virtual_package_records())
        else:
            for item in manager.get_virtual_packages():
                fields = {"version": item.version or "0", "build": item.build or "0", "build_number": 0}
                known[f"__{item.name}"] = PackageRecord(name=f"__{item.name}", **fields)
    for record, spec in wanted:
        if spec.name not in known:
            raise LockIncompleteError(f"{record.name} needs {spec}, which is not there")
        if not spec.match(known[spec.name]):
            raise LockIncompleteError(f"{record.name} needs {spec}, but there is {spec.name} {known[spec.name].version}")


def archives(pkgs_dirs: list[str], records: list[t.Any]) -> list[tuple[t.Any, str, str]]:
    """(record, archive, extracted folder) of each record in the package cache."""
    found = []
    for record in records:
        folder = stem(record.fn)
        if folder:
            found.append((record, os.path.join(pkgs_dirs[0], record.fn), os.path.join(pkgs_dirs[0], folder)))
    return found


def stem(file: str) -> str:
    """Name of a package's folder in the package cache; empty for what is in no format of conda's own, such as a wheel."""
    for ending in (".conda", ".tar.bz2"):
        if file.endswith(ending):
            return file[: -len(ending)]
    return ""


def file_hashes(paths: list[str]) -> dict[str, str]:
    """SHA-256 of some files; nothing for one that is not there."""
    from concurrent.futures import ThreadPoolExecutor

    sizes = {path: os.path.getsize(path) if os.path.isfile(path) else 0 for path in paths}
    # Threads gain nothing where opening a file takes longer than reading it.
    large = [path for path in paths if sizes[path] > 1 << 20]
    batches = [*([path] for path in large), [path for path in paths if sizes[path] <= 1 << 20]]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return {path: digest for found in pool.map(hash_batch, batches) for path, digest in found}


def hash_batch(paths: list[str]) -> list[tuple[str, str]]:
    """Paths with their SHA-256, nothing for what is not there."""
    buffer = memoryview(bytearray(1 << 20))
    found = []
    for path in paths:
        digest = hashlib.sha256()
        try:
            with open(path, "rb", buffering=0) as file:
                while count := file.readinto(buffer):
                    digest.update(buffer[:count])
        except FileNotFoundError:
            found.append((path, ""))
            continue
        found.append((path, digest.hexdigest()))
    return found


def missing(pkgs_dirs: list[str], records: list[t.Any]) -> list[t.Any]:
    """Locked packages that the package cache does not have. What only bears the name of one is removed."""
    absent = []
    items = archives(pkgs_dirs, records)
    hashes = file_hashes([archive for _record, archive, _folder in items])
    for record, archive, folder in items:
        try:
            with open(os.path.join(folder, "info", "repodata_record.json"), encoding="utf-8") as file:
                extracted = str(json.load(file).get("sha256"))
        except (OSError, ValueError):
            extracted = ""
        if hashes[archive] and hashes[archive] != record.sha256:
            os.unlink(archive)
            shutil.rmtree(folder, ignore_errors=True)
        elif extracted != record.sha256:
            shutil.rmtree(folder, ignore_errors=True)
        if hashes[archive] != record.sha256 and (hashes[archive] or extracted != record.sha256):
            absent.append(record)
    return absent


def relabel(pkgs_dirs: list[str], records: list[t.Any]) -> None:
    """Tell the package cache where a package comes from by now: a channel that moved to another place keeps its packages.

    conda copies this label into an environment's records.
    """
    for record, archive, folder in archives(pkgs_dirs, records):
        path = os.path.join(folder, "info", "repodata_record.json")
        try:
            with open(path, encoding="utf-8") as file:
                label = json.load(file)
        except (OSError, ValueError):
            if os.path.exists(archive):
                with open(os.path.join(pkgs_dirs[0], "urls.txt"), "a", encoding="utf-8") as file:
                    file.write(f"{record.url}\n")
            continue
        if label.get("url") == record.url:
            continue
        # Of an archive that it extracted a second time conda notes no SHA-256.
        content = label.get("sha256") or file_hashes([archive])[archive]
        if content and content == record.get("sha256"):
            with open(f"{path}.new", "w", encoding="utf-8") as file:
                json.dump({**label, "sha256": content, "url": record.url, "channel": record.dump()["channel"]}, file)
            os.replace(f"{path}.new", path)


def check_sources(records: list[t.Any]) -> None:
    """conda compares no checksum of what it copies from a file:// channel."""
    local = {unquote(urlsplit(record.url).path): record for record in records if record.url.startswith("file:/")}
    for path, found in file_hashes(list(local)).items():
        if not found:
            raise FileNotFoundError(2, "404: the channel has no such file", path)
        if found != local[path].sha256:
            raise LockMismatchError(f"{local[path].url}: expected sha256 {local[path].sha256}, found {found}")


def hash_ahead(folders: list[str], scratch: str) -> None:
    """Let another process hash the files of extracted packages while conda prepares to link them.

    conda compares each with its record (`extra_safety_checks`), one after the other, and computes nothing else meanwhile.
    """
    from conda.core import path_actions

    original = getattr(path_actions, "compute_sum", None)
    if original is None:
        return
    asked = os.path.join(scratch, "folders.json")
    with open(asked, "w", encoding="utf-8") as file:
        json.dump(folders, file)
    command = [sys.executable, "-I", os.path.abspath(__file__), "--hash", asked]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    known: dict[str, str] = {}

    def compute_sum(path: t.Any, algorithm: str) -> t.Any:
        if process.returncode is None:
            with contextlib.suppress(ValueError):
                known.update(json.loads(process.communicate()[0]))
        return (known.get(str(path)) if algorithm == "sha256" else None) or original(path, algorithm)

    path_actions.compute_sum = compute_sum


def hash_packages(folders: list[str]) -> dict[str, str]:
    """SHA-256 of every file that some extracted packages bring; the path as conda writes it."""
    paths = []
    for folder in folders:
        try:
            with open(os.path.join(folder, "info", "paths.json"), encoding="utf-8") as file:
                items = json.load(file)["paths"]
        except (OSError, ValueError, KeyError):
            continue
        paths += [os.path.join(folder, item["_path"]) for item in items if item.get("path_type") == "hardlink"]
    return file_hashes(paths)


def check_archives(pkgs_dirs: list[str], records: list[t.Any]) -> None:
    """Compare archives that were downloaded with the lock before a file of them is linked."""
    items = archives(pkgs_dirs, records)
    hashes = file_hashes([archive for _record, archive, _folder in items])
    for record, archive, folder in items:
        if hashes[archive] != record.sha256:
            shutil.rmtree(folder, ignore_errors=True)
            os.unlink(archive)
            raise LockMismatchError(f"{record.url}: expected sha256 {record.sha256}, found {hashes[archive]}")


def forget_extracted(pkgs_dirs: list[str], records: list[t.Any]) -> None:
    """Remove extracted packages from the cache; they are extracted again from archives whose checksum is compared."""
    for _record, _archive, folder in archives(pkgs_dirs, records):
        shutil.rmtree(folder, ignore_errors=True)


def keep_byte_code(pkgs_dirs: list[str], records: list[t.Any]) -> None:
    """Let conda compile a file once, not once per environment: byte code stays beside its source in the package cache.

    Compiling is most of the time of an installation. Byte code names the time and size of its source, so what is kept cannot be
    taken for that of another file; and a package that is removed from the cache takes its byte code along.
    """
    from conda.core import path_actions

    original = getattr(path_actions, "compile_multiple_pyc", None)
    if original is None:
        return
    folders = [folder for record, _archive, folder in archives(pkgs_dirs, records) if details(record.get("noarch")) == "python"]

    def compile_missing(python: str, sources: t.Any, targets: t.Any, *rest: t.Any, **more: t.Any) -> t.Any:
        cached = cached_sources(folders)
        pairs = []
        for target in targets:  # in no order that fits the one of the sources
            folder, name = os.path.split(target)
            source = os.path.join(os.path.dirname(folder), f"{name.split('.', 1)[0]}.py")
            place = cached.get(source.partition("/site-packages/")[2])
            pairs.append((source, target, os.path.join(os.path.dirname(place), "__pycache__", name) if place else ""))
        for source, target, twin in pairs:
            if twin and fits(twin, source):
                hard_link(twin, target)
        missing = [pair for pair in pairs if not os.path.exists(pair[1])]
        made = original(python, [pair[0] for pair in missing], [pair[1] for pair in missing], *rest, **more)
        for source, target, twin in missing:
            if twin and fits(target, source):
                hard_link(target, twin)
        return made

    path_actions.compile_multiple_pyc = compile_missing


def hard_link(source: str, target: str) -> None:
    """Link a file, unless the file system cannot: then it is compiled the next time as well."""
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.lexists(target):
            os.unlink(target)
        os.link(source, target)


def cached_sources(folders: list[str]) -> dict[str, str]:
    """Path below site-packages -> path in the package cache, of the Python files of some packages."""
    found = {}
    for folder in folders:
        top = os.path.join(folder, "site-packages")
        for place, _folders, names in os.walk(top):
            inner = place[len(top) + 1 :]
            found.update({os.path.join(inner, name): os.path.join(place, name) for name in names if name.endswith(".py")})
    return found


def fits(byte_code: str, source: str) -> bool:
    """True if byte code is that of a source (PEP 552: magic, flags, time, size)."""
    try:
        with open(byte_code, "rb") as file:
            head = file.read(16)
        status = os.stat(source)
    except OSError:
        return False
    known = struct.pack("<LLL", 0, int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    return head[4:] == known


def install(
    prefix: str, specs: list[t.Any], records: list[t.Any], check: t.Callable[[], None], unlink: t.Sequence[t.Any] = ()
) -> None:
    """Download, verify and link records into a prefix. `check` is called before the first file is linked."""
    from conda.core.link import PrefixSetup, UnlinkLinkTransaction

    transaction = UnlinkLinkTransaction(
        PrefixSetup(
            target_prefix=prefix,
            unlink_precs=tuple(unlink),
            link_precs=tuple(records),
            remove_specs=(),
            update_specs=tuple(specs),
            neutered_specs=(),
        )
    )
    transaction.download_and_extract()
    check()
    transaction.execute()


def refuse_disallowed(records: list[t.Any], context: t.Any) -> None:
    """conda looks at this only when it has downloaded everything."""
    from conda.exceptions import DisallowedPackageError
    from conda.models.match_spec import MatchSpec

    forbidden = [MatchSpec(spec) for spec in context.disallowed_packages]
    for record in records:
        if any(spec.match(record) for spec in forbidden):
            raise DisallowedPackageError(record)


def set_variables(prefix: str, variables: dict[str, str]) -> None:
    """Set the environment variables that conda's activation exports."""
    from conda.core.prefix_data import PrefixData

    PrefixData(prefix).set_environment_env_vars(variables)


def details(value: t.Any) -> t.Any:
    """Plain data of a field whose type conda may have wrapped."""
    if isinstance(value, (list, tuple)):
        return [str(item) for item in value]
    return value if isinstance(value, int) or value is None else str(getattr(value, "value", value))


def run(request: dict[str, t.Any]) -> dict[str, t.Any]:
    import conda

    context = configure(request)
    respect_terms(context)
    kept: list[str] = []
    unlink: list[t.Any] = []
    notes: list[str] = []
    if request["records"]:
        specs, records, kept = locked(request, context)
    elif request["base"]:
        (specs, unlink, records), notes = by_priority(request, context, extend)
    else:
        (specs, records, kept), notes = by_priority(request, context, solve)
    refuse_disallowed(records, context)
    if request["install"] and (unlink or records or not request["base"]):
        if request["extract_again"]:
            forget_extracted(request["pkgs_dirs"], records)
        fetched = missing(request["pkgs_dirs"], records) if request["records"] else []
        check_sources(fetched)
        relabel(request["pkgs_dirs"], records)
        keep_byte_code(request["pkgs_dirs"], records)

        def check() -> None:
            check_archives(request["pkgs_dirs"], fetched)
            folders = [folder for _record, _archive, folder in archives(request["pkgs_dirs"], records)]
            hash_ahead(folders, request["scratch"])

        install(request["prefix"], specs, records, check, unlink)
    if request["install"] and request["variables"]:
        set_variables(request["prefix"], request["variables"])
    plain = [
        {
            **{field: str(record.get(field) or "") for field in RECORD_FIELDS},
            **{field: details(record.get(field)) for field in LOCK_FIELDS},
            "channel": str(record.channel),
        }
        for record in records
    ]
    missing_lines, unknown_lines = unmet(request["pip"]) if request["base"] else ([], [])
    return {
        "conda_version": conda.__version__,
        "packages": plain,
        "kept": kept,
        "replaced": sorted(record.name for record in unlink),
        "unmet": missing_lines,
        "unknown": unknown_lines,
        "notes": notes,
    }


def describe(error: BaseException) -> dict[str, t.Any]:
    """Type names (outermost first) and text of an exception, with those that conda bundles."""
    parts = list(getattr(error, "errors", ()) or ())
    text = "\n".join(str(part) for part in parts) if parts else str(error)
    types = [cls.__name__ for item in (error, *parts) for cls in type(item).__mro__]
    if isinstance(error, RuntimeError):
        # What cannot leave a process of its own, conda says with the name of its type.
        types += re.findall(r"\b[A-Za-z]+Error\b", text)
    return {"types": list(dict.fromkeys(types)), "text": text or repr(error), "names": getattr(error, "names", [])}


def main(arguments: list[str]) -> None:
    # conda makes millions of small objects and no cycles to speak of; looking for those takes a tenth of the time.
    gc.disable()
    if arguments[0] == "--hash":
        with open(arguments[1], encoding="utf-8") as file:
            json.dump(hash_packages(json.load(file)), sys.stdout)
        return
    with open(arguments[0], encoding="utf-8") as file:
        request = json.load(file)
    try:
        result: dict[str, t.Any] = run(request)
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        if os.environ.get("CONDA_ENV_DEBUG"):
            raise
        result = {"error": describe(error)}
    with open(os.open(arguments[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(result, file)


# The guard is needed: conda finds CUDA, and extracts packages, in spawned processes, which import this file again.
if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # A solver's library may crash while the interpreter ends, as rattler's does. The answer is whole; nothing else is owed.
    os._exit(0)
