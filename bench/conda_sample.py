# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A large environment that a real conda made: as many records and distributions as a machine learning stack has."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.openlab.research_server.tests.integration import real_conda
from ansible_collections.openlab.research_server.tests.integration.real_conda import Conda, wheel
from channel.conda_channel import File, Package, write_package, write_repodata

FOLDER = real_conda.ROOT / ".cache" / "bench"
NAME = "sample"
SITE_PACKAGES = "lib/python3.11/site-packages"
# Of 100 packages of conda-forge in such a stack about 60 are Python distributions.
PYTHON_SHARE = 0.6
# What pip and conda leave in a *.dist-info.
DIST_INFO = ("INSTALLER", "METADATA", "RECORD", "REQUESTED", "WHEEL", "direct_url.json", "top_level.txt")


@dataclass(frozen=True)
class Sample:
    """An installation with one environment, and the file that it was made from."""

    conda: Conda
    file: Path
    records: int
    distributions: int

    @property
    def prefix(self) -> Path:
        prefix: Path = self.conda.environment(NAME)
        return prefix

    def __str__(self) -> str:
        version = self.conda.conda("--version").split()[-1]
        return f"{self.records} conda records, {self.distributions} pip distributions, conda {version}"


def sample() -> Sample:
    """The environment of the benchmarks: made once, kept in .cache/bench."""
    recipe = Path(__file__).read_bytes() + (real_conda.MIRROR / "mirror.json").read_bytes()
    place = FOLDER / f"sample-{hashlib.sha256(recipe).hexdigest()[:12]}"
    if not (place / "made.json").is_file():
        for old in FOLDER.glob("sample-*"):
            shutil.rmtree(old)
        print("making the sample environment (some minutes, once)", flush=True)
        place.mkdir(parents=True)
        conda = real_conda.install(place)
        # The tests' stumbling blocks would slow down conda.
        for path in (conda.root / ".condarc", conda.home / ".condarc"):
            path.unlink()
        made = fill(conda, place, records=400, distributions=150, files=88)
        (place / "made.json").write_text(json.dumps([str(made.file), made.records, made.distributions]))
    file, records, distributions = json.loads((place / "made.json").read_text())
    conda = Conda(place / "root", place / "channels", place / "wheels", place / "home")
    return Sample(conda, Path(file), records, distributions)


def fill(conda: Conda, folder: Path, *, records: int, distributions: int, files: int) -> Sample:
    """Make the environment: so many conda records and pip distributions, so many files in a package on average."""
    write_repodata(conda.channels / "sample")
    base = apply(conda, definition(conda, [], 0), check=True)["plan"]["install"]
    names = [f"sample{number:03}" for number in range(records - len(base))]
    leaves = write_channel(conda.channels / "sample", names, files)
    for number in range(distributions):
        wheel(conda.wheels, f"dist{number:03}", "1.0")
    wanted = definition(conda, leaves, distributions)
    file = folder / "environment.yml"
    file.write_text(yaml.safe_dump(wanted, sort_keys=False))
    apply(conda, wanted)
    prefix = conda.environment(NAME)
    found = len(list((prefix / "conda-meta").glob("*.json"))), len(list((prefix / SITE_PACKAGES).glob("dist*.dist-info")))
    if found != (records, distributions):
        raise SystemExit(f"the sample has {found} records and distributions instead of {(records, distributions)}")
    return Sample(conda, file, records, distributions)


def apply(conda: Conda, wanted: dict[str, object], check: bool = False) -> dict[str, Any]:
    """Run conda_env; its result."""
    output, errors = conda.start(name=NAME, definition=wanted, check=check).communicate()
    result: dict[str, Any] = json.loads(output) if output else {"failed": True, "msg": errors}
    if result.get("failed"):
        raise SystemExit(result["msg"])
    return result


def definition(conda: Conda, leaves: list[str], distributions: int) -> dict[str, object]:
    """The specification: packages that no other one needs, and all distributions with their version."""
    pip = ["--no-index", f"--find-links={conda.wheels}", *(f"dist{number:03}==1.0" for number in range(distributions))]
    channels = [*(f"file://{conda.channels / name}" for name in ("sample", "conda-forge")), "nodefaults"]
    return {"channels": channels, "dependencies": ["python=3.11", "pip", *leaves, *([{"pip": pip}] if distributions else [])]}


def write_channel(channel: Path, names: list[str], files: int) -> list[str]:
    """Packages with dependencies among each other; returns specifications of those that no other one needs."""
    chance = random.Random(1)  # noqa: S311 - the same sample everywhere
    needed = set()
    for number, name in enumerate(names):
        depends = chance.sample(names[:number], min(number, 3))
        needed.update(depends)
        content = dict(
            package_files(name, number < PYTHON_SHARE * len(names), max(1, int(chance.paretovariate(1.2) * files / 6)))
        )
        depends = ["python >=3.11,<3.12.0a0", *(f"{other} >=1" for other in depends)]
        write_package(channel, Package(name, "1.2.3", content, build="py311_0", depends=tuple(depends)))
    write_repodata(channel)
    return [f"{name}=1.2.3" for name in names if name not in needed]


def package_files(name: str, distribution: bool, count: int) -> Iterator[tuple[str, File]]:
    """So many small files, and the installation record of a Python distribution."""
    place = f"{SITE_PACKAGES}/{name}" if distribution else f"share/{name}"
    for number in range(min(count, 3000)):
        yield f"{place}/part{number % 17}/file{number}.txt", File.text(f"{name} {number}\n" * 20)
    for part in DIST_INFO if distribution else ():
        text = {"INSTALLER": "conda\n", "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n\n" + "Text.\n" * 500}
        yield f"{SITE_PACKAGES}/{name}-1.2.3.dist-info/{part}", File.text(text.get(part, f"{name}/file,,\n" * 50))
