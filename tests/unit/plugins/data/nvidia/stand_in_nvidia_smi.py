#!/usr/bin/python3
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for nvidia-smi on a host without a GPU: two T4 that keep how they are set in a file.

It knows `-q -x`, and -pm, -c, -pl and -e with and without `-i ADDRESS`. As with the real one, ECC waits for the next boot.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

STATE = Path(__file__).resolve().with_suffix(".json")
# Values of a T4 as recorded; see tests/data/gpu_machines/t4.json.
T4 = {"persistence_mode": "Disabled", "compute_mode": "Default", "power_limit": "70.00 W", "ecc": "Enabled"}
MODES = {"DEFAULT": "Default", "EXCLUSIVE_PROCESS": "Exclusive_Process", "PROHIBITED": "Prohibited"}
SWITCHES = {"0": "Disabled", "1": "Enabled"}
GPU = """\
<gpu id="{address}"><product_name>Tesla T4</product_name><persistence_mode>{persistence_mode}</persistence_mode>
<compute_mode>{compute_mode}</compute_mode>
<ecc_mode><current_ecc>Enabled</current_ecc><pending_ecc>{ecc}</pending_ecc></ecc_mode>
<gpu_power_readings><current_power_limit>{power_limit}</current_power_limit><requested_power_limit>{power_limit}</requested_power_limit>
<min_power_limit>60.00 W</min_power_limit><max_power_limit>70.00 W</max_power_limit></gpu_power_readings></gpu>
"""


def main(arguments: list[str]) -> int:
    gpus = json.loads(STATE.read_text()) if STATE.exists() else {f"00000000:{bus}:00.0": dict(T4) for bus in ("3B", "5E")}
    if arguments == ["-q", "-x"]:
        each = "".join(GPU.format(address=address, **gpu) for address, gpu in gpus.items())
        sys.stdout.write(f'<?xml version="1.0" ?>\n<nvidia_smi_log>\n{each}</nvidia_smi_log>\n')
        return 0
    address = arguments[1] if arguments[0] == "-i" else ""
    switch, value = arguments[-2:]
    for gpu in (gpu for name, gpu in gpus.items() if name.lower().endswith(address)):
        if switch == "-pm":
            gpu["persistence_mode"] = SWITCHES[value]
        elif switch == "-c":
            gpu["compute_mode"] = MODES[value]
        elif switch == "-pl":
            gpu["power_limit"] = f"{float(value):.2f} W"
        elif switch == "-e":
            gpu["ecc"] = SWITCHES[value]
    STATE.write_text(json.dumps(gpus))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
