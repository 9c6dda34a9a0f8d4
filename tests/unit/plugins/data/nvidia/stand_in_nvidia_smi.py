#!/usr/bin/python3
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for nvidia-smi on a host without a GPU: two T4 that keep how they are set in a file.

It knows `-q -x`, and -pm, -c, -pl, -e and -mig with and without `-i ADDRESS`, and `mig -i ADDRESS` with -lgi, -lgip, -lgipp, -cgi,
-dci and -dgi. As with the real one, ECC waits for the next boot. Called with `--become FILE` it has the GPUs of the file, which
may say of one that it can be divided (`mig`), that somebody holds it (`held`: MIG mode waits for the next boot, and nothing is
made or taken away), and that its driver is older (`old`: it lists no profiles before MIG mode is on).
"""

from __future__ import annotations

import json
import shutil
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

Gpu = dict[str, t.Any]

STATE = Path(__file__).resolve().with_suffix(".json")
# Values of a T4 as recorded; see tests/data/gpu_machines/t4.json.
T4: Gpu = {
    "name": "Tesla T4",
    "persistence_mode": "Disabled",
    "compute_mode": "Default",
    "power_limit": "70.00 W",
    "limits": ["60.00 W", "70.00 W"],
    "ecc": "Enabled",
    "mig": "N/A",
}
MODES = {"DEFAULT": "Default", "EXCLUSIVE_PROCESS": "Exclusive_Process", "PROHIBITED": "Prohibited"}
SWITCHES = {"0": "Disabled", "1": "Enabled"}
# Profile, number, how many, and where: an H100 with 80 GB as `-lgip` says it with driver 580, the places as of an A100.
PROFILES = {
    "1g.10gb": (19, 7, (0, 1, 2, 3, 4, 5, 6), 1),
    "1g.10gb+me": (20, 1, (0, 1, 2, 3, 4, 5, 6), 1),
    "1g.20gb": (15, 4, (0, 2, 4, 6), 2),
    "2g.20gb": (14, 3, (0, 2, 4), 2),
    "3g.40gb": (9, 2, (0, 4), 4),
    "4g.40gb": (5, 1, (0,), 4),
    "7g.80gb": (0, 1, (0,), 8),
}
GPU = """\
<gpu id="{address}"><product_name>{name}</product_name><persistence_mode>{persistence_mode}</persistence_mode>
<mig_mode><current_mig>{mig}</current_mig><pending_mig>{mig_next}</pending_mig></mig_mode><mig_devices>{devices}</mig_devices>
<compute_mode>{compute_mode}</compute_mode>
<ecc_mode><current_ecc>Enabled</current_ecc><pending_ecc>{ecc}</pending_ecc></ecc_mode>
<gpu_power_readings><current_power_limit>{power_limit}</current_power_limit><requested_power_limit>{power_limit}</requested_power_limit>
<min_power_limit>{limits[0]}</min_power_limit><max_power_limit>{limits[1]}</max_power_limit></gpu_power_readings>
<processes>{processes}</processes></gpu>
"""
DEVICE = "<mig_device><gpu_instance_id>{}</gpu_instance_id><compute_instance_id>0</compute_instance_id></mig_device>"
PROCESS = "<process_info><pid>{}</pid><process_name>{}</process_name></process_info>"
RULE = f"+{'-' * 70}+"


def table(title: str, rows: list[str]) -> str:
    return "\n".join([RULE, f"| {title:<69}|", *(f"| {row:<69}|\n{RULE}" for row in rows)])


def answer(code: int, text: str) -> int:
    sys.stdout.write(f"{text}\n")
    return code


def described(gpus: dict[str, Gpu]) -> Iterator[str]:
    for address, gpu in gpus.items():
        devices = "".join(DEVICE.format(part["id"]) for part in gpu.get("parts", ()) if part["compute"])
        processes = "".join(PROCESS.format(*process) for process in gpu.get("processes", ()))
        shown = {"mig_next": gpu["mig"], **gpu, "devices": devices, "processes": processes}
        yield GPU.format(address=address, **shown)


def create(gpu: Gpu, wanted: list[str]) -> int:
    made = gpu.setdefault("parts", [])
    for name in wanted:
        number, _most, starts, size = PROFILES[name]
        taken = {place for part in made for place in range(part["start"], part["start"] + part["size"])}
        # As the driver does: a small part goes to the end.
        free = [start for start in starts if not taken & set(range(start, start + size))]
        if not free:
            return answer(19, f"Unable to create a GPU instance on GPU  0 using profile {number}: Insufficient Resources")
        part = {"name": name, "id": max((part["id"] for part in made), default=0) + 1, "start": max(free), "size": size}
        made.append({**part, "compute": True})
    return 0


def list_parts(parts: list[Gpu]) -> int:
    rows = [
        f"  0  MIG {part['name']:<16} {PROFILES[part['name']][0]:>4} {part['id']:>8} {part['start']:>11}:{part['size']}"
        for part in parts
    ]
    return answer(0, table("GPU instances:", rows)) if parts else answer(6, "No GPU instances found: Not Found")


def list_profiles(_parts: list[Gpu]) -> int:
    rows = [
        f"  0  MIG {name:<15} {number:>2}     {most}/{most}        9.75       No     16     1     0"
        for name, (number, most, _starts, _size) in PROFILES.items()
    ]
    return answer(0, table("GPU instance profiles:", rows))


def list_places(_parts: list[Gpu]) -> int:
    for number, _most, starts, size in PROFILES.values():
        word = "Placements:" if len(starts) > 1 else "Placement :"
        answer(0, f"GPU  0 Profile ID {number:>2} {word} {{{','.join(map(str, starts))}}}:{size}")
    return 0


LISTS = {"-lgi": list_parts, "-lgip": list_profiles, "-lgipp": list_places}


def divide(gpu: Gpu, command: str, *rest: str) -> int:
    parts = gpu.get("parts", [])
    if gpu["mig"] != "Enabled" and (command != "-lgip" or gpu["mig"] == "N/A" or gpu.get("old")):
        return answer(6, "No MIG-enabled devices found.")
    if command in LISTS:
        return LISTS[command](parts)
    if gpu.get("held"):
        return answer(19, "Unable to destroy GPU instance ID  1 from GPU  0: In use by another client")
    if command == "-cgi":
        return create(gpu, rest[0].split(","))
    if command == "-dgi" and any(part["compute"] for part in parts):
        return answer(19, "Unable to destroy GPU instance ID  1 from GPU  0: In use by another client")
    gpu["parts"] = [{**part, "compute": False} for part in parts] if command == "-dci" else []
    return 0


def switch_mig(gpu: Gpu, value: str) -> int:
    if gpu["mig"] == "N/A":
        return answer(3, "Unable to enable MIG Mode for GPU 00000000:3B:00.0: Not Supported")
    if gpu.get("parts"):
        return answer(19, "Unable to disable MIG Mode for GPU 00000000:3B:00.0: In use by another client")
    gpu["mig_next"] = SWITCHES[value]
    if not gpu.get("held"):
        gpu["mig"] = SWITCHES[value]
    return 0


def turn(gpu: Gpu, switch: str, value: str) -> int:
    if switch == "-mig":
        return switch_mig(gpu, value)
    gpu |= {
        "-pm": lambda: {"persistence_mode": SWITCHES[value]},
        "-c": lambda: {"compute_mode": MODES[value]},
        "-pl": lambda: {"power_limit": f"{float(value):.2f} W"},
        "-e": lambda: {"ecc": SWITCHES[value]},
    }[switch]()
    return 0


def main(arguments: list[str]) -> int:
    if arguments[0] == "--become":
        shutil.copy(arguments[1], STATE)
        return 0
    gpus = json.loads(STATE.read_text()) if STATE.exists() else {f"00000000:{bus}:00.0": dict(T4) for bus in ("3B", "5E")}
    if arguments == ["-q", "-x"]:
        sys.stdout.write(f'<?xml version="1.0" ?>\n<nvidia_smi_log>\n{"".join(described(gpus))}</nvidia_smi_log>\n')
        return 0
    if arguments[0] == "mig":
        (chosen,) = (gpu for name, gpu in gpus.items() if name.lower().endswith(arguments[2]))
        code = divide(chosen, *arguments[3:])
    else:
        address = arguments[1] if arguments[0] == "-i" else ""
        code = max(turn(gpu, *arguments[-2:]) for name, gpu in gpus.items() if name.lower().endswith(address))
    STATE.write_text(json.dumps(gpus))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
