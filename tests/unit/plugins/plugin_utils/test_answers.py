# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._answers import (
    MOST,
    NVIDIA_INFO,
    SETUP,
    doctor_info,
    misfit,
)
from ansible_collections.openlab.research_server.plugins.plugin_utils._doctor import judge as doctor
from ansible_collections.openlab.research_server.plugins.plugin_utils._doctor.judge import GIB, Wanted
from ansible_collections.openlab.research_server.plugins.plugin_utils._doctor.report import render, report
from hypothesis import given, settings
from hypothesis import strategies as st

URL = "https://mirror/installer.sh"
WANTED = Wanted(frozenset({"sshd", "miniconda"}), 2222, 22, {20001: "ada"}, "/opt/miniconda3", "installer.sh", URL)
PATHS = [need.path for need in doctor.space(WANTED.roles, prefix=WANTED.prefix, conda=False, gpu_without_driver=False)]
DISK = {"path": "/", "device": 1, "free": 50 * GIB, "size": 100 * GIB, "inodes": 10**6, "read_only": False}
HEALTHY: dict[str, t.Any] = {
    "facts": {
        "time": 1.5,
        "python": "3.11.2",
        "kernel": "6.1",
        "memory": {"total": 64 * GIB, "available": 60 * GIB},
        "processors": 8,
        "disks": {path: dict(DISK) for path in PATHS},
        "ports": {"2222": ["sshd"]},
        "urls": {URL: ""},
        "sources": {"mirror.example.org": ""},
        "packages": {"fail2ban": "missing"},
        "dpkg": {"interrupted": ["x"], "locks": {"/var/lib/dpkg/lock": "apt"}},
        "firewalls": ["ufw"],
        "sshd_matches": ["PasswordAuthentication (/etc/ssh/sshd_config:3)"],
        "conda": {"exists": False, "complete": False, "installer": None, "kept": "", "obstacle": ""},
    }
}
GPU: dict[str, t.Any] = {
    "info": {
        "gpus": [{"architecture": "hopper", "address": "0000:17:00.0", "lost": False}],
        "driver": {"loaded": {"version": "570.1", "flavour": "open"}, "userland": ["570.1"]},
        "health": {"disagreements": ["x"], "next_boot": ["y"]},
        "secure_boot": {"state": "enabled", "enforced": True, "key_enrolled": True},
    }
}
SECRET = "s3cretS3cret0123456789"
LEAVES = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(exclude_categories=()), max_size=10)),
    st.sampled_from(["\x1b[2J\nready", "\u202e", f"password={SECRET}", "3.9", "65536", 10**400, -(2**62)]),
)
JSON = st.recursive(
    LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3))
)


def places(value: t.Any, way: tuple[t.Any, ...] = ()) -> t.Iterator[tuple[t.Any, ...]]:
    """The way to every item of nested data."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*way, key)
        yield from places(item, (*way, key))


def changed(answer: dict[str, t.Any], way: tuple[t.Any, ...], value: t.Any) -> dict[str, t.Any]:
    answer = target = copy.deepcopy(answer)
    for key in way[:-1]:
        target = target[key]
    target[way[-1]] = value
    return answer


def test_an_honest_answer_fits() -> None:
    assert misfit(HEALTHY, doctor_info(PATHS)) == ""
    assert misfit(GPU, NVIDIA_INFO) == ""
    assert misfit({"ansible_facts": {"ansible_distribution": "Debian"}}, SETUP) == ""


@pytest.mark.parametrize(
    ("way", "value", "says"),
    [
        (("facts",), None, "facts: found nothing; expected a mapping"),
        (("facts", "memory", "total"), True, "facts.memory.total: found true or false; expected a number"),
        (("facts", "memory", "total"), 2**63, "facts.memory.total: found a number; expected a number"),
        (("facts", "time"), float("inf"), "facts.time: found a number; expected a number"),
        (("facts", "python"), "3.x", "facts.python: found a text; expected a text such as "),
        (("facts", "disks", "/var"), [], "facts.disks./var: found a list; expected a mapping"),
        (("facts", "disks", "/", "inodes"), "many", "facts.disks./.inodes: found a text; expected a number"),
        (("facts", "ports", "ssh"), ["sshd"], "facts.ports, a key: found a text; expected a text such as [0-9]{1,5}"),
        (("facts", "firewalls", 0), {}, "facts.firewalls[0]: found a mapping; expected a text"),
        (("facts", "sshd_matches"), ["x"] * (MOST + 1), f"facts.sshd_matches: found {MOST + 1} entries; expected at most {MOST}"),
        (("facts", "conda", "installer"), 3, "facts.conda.installer: found a number; expected a text"),
    ],
)
def test_what_does_not_fit_is_named(way: tuple[t.Any, ...], value: t.Any, says: str) -> None:
    assert misfit(changed(HEALTHY, way, value), doctor_info(PATHS)).startswith(says)


def test_what_is_missing_is_named() -> None:
    assert misfit({}, SETUP) == "ansible_facts: found nothing; expected it to be there"
    without = changed(GPU, ("info", "driver"), {})
    assert misfit(without, NVIDIA_INFO) == "info.driver.loaded: found nothing; expected it to be there"


@given(JSON)
def test_any_answer_can_be_looked_at(answer: t.Any) -> None:
    for shape in (SETUP, NVIDIA_INFO, doctor_info(PATHS)):
        assert isinstance(misfit(answer, shape), str)


@settings(max_examples=300)
@given(st.sampled_from(list(places(HEALTHY))), st.sampled_from(list(places(GPU))), JSON, JSON)
def test_what_fits_can_be_judged_and_told(way: tuple[t.Any, ...], gpu_way: tuple[t.Any, ...], one: t.Any, other: t.Any) -> None:
    facts, gpu = changed(HEALTHY, way, one), changed(GPU, gpu_way, other)
    findings = []
    if not misfit(facts, doctor_info(PATHS)):
        findings += doctor.judge(facts["facts"], WANTED, facts["facts"]["time"])
    if not misfit(gpu, NVIDIA_INFO):
        findings.append(doctor.gpu(gpu["info"], ["nvidia"], required=True))
    told = report({"gpu-01\x1b[2J": [finding._asdict() for finding in findings]}, [])
    text = render(told, full=True)
    assert all(line.isprintable() for line in text.split("\n"))
    assert SECRET not in text + str(told)
    assert len(text) < 100_000


@given(st.lists(st.dictionaries(st.sampled_from(["topic", "severity", "found", "expected", "do"]), JSON), max_size=3))
def test_findings_of_any_shape_can_be_told(findings: list[dict[str, t.Any]]) -> None:
    told = report({"a": findings}, findings)
    assert told["ready"] is False or findings
    assert all(line.isprintable() for line in render(told, full=True, width=80).split("\n"))
