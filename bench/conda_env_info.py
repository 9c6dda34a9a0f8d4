# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verification of an environment, side by side with sha256sum over the same files on all cores.

    python bench/conda_env_info.py [--prefix PREFIX] [--rounds 7]

Without a prefix one is made in a temporary folder. Both read the same warm files, in turns; both are whole processes. Ends with
`verify_vs_sha256sum=<ratio>` of a round, the median: 1 is as fast as sha256sum, less is faster.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ansible_collections.openlab.research_server.plugins.module_utils._conda.verify import expected_files
from side_by_side import Times, in_turns, machine, process, ratio, table

OURS, PEER = "verify: true", "sha256sum"
VERIFY = """
import sys
from ansible_collections.openlab.research_server.plugins.module_utils._conda.verify import expected_files
from ansible_collections.openlab.research_server.plugins.module_utils._conda.verify import verify
files, unusable = expected_files(sys.argv[1])
verdict = verify(sys.argv[1], files)
print(verdict.hashed, verdict.size, len(verdict.problems), len(unusable))
"""


def synthetic(prefix: Path, packages: int, files: int, size: int, large: int) -> None:
    """A prefix of many small files and one large one, with a conda record for each package."""
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta/history").touch()
    for number in range(packages):
        name = f"package{number}"
        folder = prefix / "share" / name
        folder.mkdir(parents=True)
        paths = []
        for index in range(files):
            data = os.urandom(large if number == index == 0 else size)
            (folder / str(index)).write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            paths.append(
                {
                    "_path": f"share/{name}/{index}",
                    "path_type": "hardlink",
                    "sha256_in_prefix": digest,
                    "size_in_bytes": len(data),
                }
            )
        record = {"name": name, "version": "1", "build": "0", "paths_data": {"paths": paths}}
        (prefix / f"conda-meta/{name}-1-0.json").write_text(json.dumps(record))


def measure(prefix: str, rounds: int) -> dict[str, Times]:
    """Times of both over the same files."""
    paths = [os.path.join(prefix, item.path) for item in expected_files(prefix)[0] if item.digest]
    cores = str(len(os.sched_getaffinity(0)))
    names = b"\0".join(map(os.fsencode, paths))
    ours = [sys.executable, "-c", VERIFY, prefix]
    hashed, size, problems, unusable = map(int, subprocess.run(ours, capture_output=True, check=True).stdout.split())
    if hashed != len(set(paths)):
        raise SystemExit(f"not the same files: {hashed} and {len(set(paths))}")
    print(f"{hashed} files, {size / 1e6:.0f} MB, {problems} problems, {unusable} unusable records, {machine()}")
    return in_turns(
        {OURS: process(ours), PEER: process(["xargs", "-0", "-P", cores, "-n", "256", "sha256sum"], text=names)}, rounds
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--prefix")
    options.add_argument("--rounds", type=int, default=7)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not chosen.prefix:
            synthetic(Path(folder), packages=100, files=75, size=60_000, large=100_000_000)
        times = measure(chosen.prefix or folder, chosen.rounds)
    print(table(times))
    print(f"verify_vs_sha256sum={ratio(times, OURS, PEER)}")


if __name__ == "__main__":
    main()
