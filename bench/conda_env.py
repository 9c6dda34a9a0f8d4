# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every benchmark of the conda modules, one after the other; ends with one line of all their ratios: less is better.

    python bench/conda_env.py

Each is a program of its own in this folder, says what it compares, and ends with a line of ratios to its peer.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHES = ("conda_env_noop", "conda_env_task", "conda_lock", "conda_env_info")


def ratios(program: Path) -> str:
    """Run a benchmark and pass on what it prints; its last line."""
    print(f"\n== {program.stem}", flush=True)
    last = ""
    with subprocess.Popen([sys.executable, "-u", str(program)], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last = line.strip()
    if process.returncode != 0:
        raise SystemExit(f"{program.name} failed")
    return last


def main() -> None:
    print("\n" + " ".join([ratios(Path(__file__).with_name(f"{name}.py")) for name in BENCHES]))


if __name__ == "__main__":
    main()
