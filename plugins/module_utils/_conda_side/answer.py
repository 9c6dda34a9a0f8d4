# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of conda, and its answer as plain data.

The rooms of this folder run under a conda installation's own interpreter, as one archive:

    PREFIX/bin/python -s conda_side.zip REQUEST.json RESULT.json

They import nothing else of this collection but pure rooms that the archive holds, too, and conda only when they run. What
they use of conda exists from 24.7 to 26.x:
`conda.api.Solver.solve_for_diff`, `PrefixSetup` and `UnlinkLinkTransaction` (as conda-build and others use them), and
`reset_context(search_path)`, which names the only configuration file that is read. Results travel in a file: what conda
prints is nobody's interface. Private to this collection.
"""

# ruff: noqa: PLC0415  conda exists only where this runs
from __future__ import annotations

import gc
import json
import os
import re
import sys
import typing as t

from .cache import archives, check_archives, check_sources, forget_extracted, missing, relabel
from .configure import configure, respect_terms
from .gpu import check_gpu
from .hashes import hash_packages
from .in_full import check_specs, in_full, records_restored, specs_restored
from .installing import install, set_variables
from .locked import locked
from .patches import hash_ahead, keep_byte_code
from .plain import details
from .policy import check_channels, check_packages, check_solver, of_host, with_task
from .requirements import unmet
from .solving import by_priority, extend, solve

RECORD_FIELDS = ("name", "version", "build", "url", "sha256", "md5", "subdir")
# Besides, what a record needs to be linked as if it came from the channel's index.
LOCK_FIELDS = ("build_number", "size", "noarch", "depends", "constrains", "python_site_packages_path")


def run(request: dict[str, t.Any]) -> dict[str, t.Any]:
    import conda
    from conda.core.prefix_data import PrefixData
    from conda.models.channel import Channel

    host, unread = of_host()
    configure(request)  # the task's channels have their names from here
    request["policy"] = policy = with_task(host, request)
    context = configure(request)
    check_channels(map(Channel, request["channels"]), policy)
    respect_terms(context)
    if not request["records"]:
        check_solver(context, policy)
        if context.solver == "rattler":
            check_specs(request["specs"])
    asked = in_full(request) if context.solver == "rattler" else request
    if asked is not request:
        context = configure(asked)
    kept: list[str] = []
    unlink: list[t.Any] = []
    notes: list[str] = []
    if request["records"]:
        specs, records, kept = locked(request, context)
    elif request["base"]:
        (specs, unlink, records), notes = by_priority(asked, context, extend)
    else:
        (specs, records, kept), notes = by_priority(asked, context, solve)
    if asked is not request:
        configure(request)
        PrefixData(request["prefix"]).reload()  # which has the channels of its packages by their URLs
        specs, records = specs_restored(specs, asked, request), records_restored(records, asked["channels"])
    check_packages(records, policy)
    notes += unread + check_gpu(records, request["gpu"])
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
        "solver": str(context.solver),
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
