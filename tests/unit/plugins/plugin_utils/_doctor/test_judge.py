# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia import cuda
from ansible_collections.openlab.research_server.plugins.plugin_utils._doctor import judge as doctor
from ansible_collections.openlab.research_server.plugins.plugin_utils._doctor.judge import (
    ERROR,
    GIB,
    OK,
    WARNING,
    Finding,
    Space,
    Wanted,
)

INSTALLER = "Miniconda3-py312_25.1.1-2-Linux-x86_64.sh"
URL = f"https://mirror/{INSTALLER}"
WANTED = Wanted(
    roles=frozenset({"sshd", "fail2ban", "miniconda"}),
    sshd_port=2222,
    current_port=22,
    jupyter_ports={20001: "ada", 20002: "bob"},
    prefix="/opt/miniconda3",
    installer=INSTALLER,
    installer_url=URL,
)
NO_CONDA = {"exists": False, "complete": False, "installer": None, "kept": "", "obstacle": ""}
CONDA = {**NO_CONDA, "exists": True, "complete": True, "installer": INSTALLER}
DISK = {"path": "/", "device": 1, "free": 50 * GIB, "size": 100 * GIB, "inodes": 10**6, "read_only": False}
HEALTHY: dict[str, t.Any] = {
    "python": "3.11.2",
    "memory": {"total": 64 * GIB, "available": 60 * GIB},
    "processors": 8,
    "disks": dict.fromkeys(("/", "/var", "/tmp", "/opt/miniconda3"), DISK),
    "ports": {"2222": ["sshd of root"], "20001": ["jupyter@ada.socket"]},
    "urls": {URL: ""},
    "sources": {"mirror.example.org": ""},
    "packages": {"fail2ban": "missing"},
    "dpkg": {"interrupted": [], "locks": {}},
    "firewalls": [],
    "sshd_matches": [],
    "conda": NO_CONDA,
}


def severities(findings: t.Iterable[Finding]) -> list[str]:
    return [finding.severity for finding in findings]


def test_a_healthy_host_has_nothing_in_the_way() -> None:
    findings = doctor.judge(HEALTHY, WANTED, 0.1)
    assert doctor.worst(findings) == OK
    assert {finding.topic for finding in findings} == {
        "python",
        "memory",
        "disk",
        "clock",
        "packages",
        "network",
        "conda",
        "ports",
    }


@pytest.mark.parametrize(
    ("change", "topic", "severity"),
    [
        ({"python": "3.8.20"}, "python", ERROR),
        ({"memory": {"total": 2 * GIB, "available": GIB}}, "memory", WARNING),
        ({"memory": {"total": GIB // 2, "available": GIB // 4}}, "memory", ERROR),
        ({"dpkg": {"interrupted": ["libc6"], "locks": {}}}, "packages", ERROR),
        ({"dpkg": {"interrupted": [], "locks": {"/l": "apt-get (process 7)"}}}, "packages", ERROR),
        ({"sources": {"mirror.example.org": "timed out"}}, "packages", ERROR),
        ({"urls": {URL: "HTTP status 404"}}, "network", ERROR),
        ({"ports": {"2222": ["python3 of root"]}}, "ports", ERROR),
        ({"ports": {"20001": ["nginx of root"]}}, "ports", ERROR),
        ({"firewalls": ["ufw"]}, "firewall", ERROR),
        ({"sshd_matches": ["/f:1"]}, "sshd", WARNING),
        ({"conda": {**NO_CONDA, "exists": True, "complete": True, "kept": "/opt/miniconda3.replaced.1"}}, "conda", WARNING),
        ({"conda": {**NO_CONDA, "exists": True, "obstacle": "found a mount point; expected a folder"}}, "conda", ERROR),
        ({"conda": {**NO_CONDA, "obstacle": "found no folder /data; expected the one that conda is put into"}}, "conda", ERROR),
    ],
)
def test_what_is_in_the_way_is_found_and_told_with_what_to_do(change: dict[str, t.Any], topic: str, severity: str) -> None:
    findings = doctor.judge({**HEALTHY, **change}, WANTED, 0)
    bad = [finding for finding in findings if finding.severity != OK]
    assert [(finding.topic, finding.severity) for finding in bad] == [(topic, severity)]
    assert all(finding.found and finding.expected and finding.do for finding in bad)


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ({"dpkg": {"interrupted": [], "locks": {"/l": "apt"}}, "packages": {"fail2ban": "installed"}}, False),
        ({"sources": {"mirror.example.org": "timed out"}, "packages": {"fail2ban": "cached"}}, False),
        ({"urls": {URL: "timed out"}, "conda": CONDA}, False),
        ({"firewalls": ["ufw"]}, True),
    ],
)
def test_what_the_site_does_not_need_today_is_a_warning(change: dict[str, t.Any], moved: bool) -> None:
    wanted = WANTED._replace(current_port=2222) if moved else WANTED
    assert doctor.worst(doctor.judge({**HEALTHY, **change}, wanted, 0)) == WARNING


def test_a_second_firewall_is_what_the_role_refuses() -> None:
    wanted = WANTED._replace(current_port=2222, roles=WANTED.roles | {"firewall"})
    (bad,) = (finding for finding in doctor.judge({**HEALTHY, "firewalls": ["ufw"]}, wanted, 0) if finding.severity != OK)
    assert (bad.topic, bad.severity) == ("firewall", ERROR) and "take the host out of the group firewall" in bad.do


@pytest.mark.parametrize(
    ("version", "severity"), [("3.9.0", OK), ("3.13.1", OK), ("3.10", OK), ("3.8.20", ERROR), ("2.7.18", ERROR), ("", ERROR)]
)
def test_python(version: str, severity: str) -> None:
    assert doctor.python(version).severity == severity


@pytest.mark.parametrize(
    ("offset", "severity"), [(0, OK), (-4.9, OK), (60, WARNING), (-60, WARNING), (3600, ERROR), (-3600, ERROR)]
)
def test_clock(offset: float, severity: str) -> None:
    assert doctor.clock(offset).severity == severity


@pytest.mark.parametrize(
    ("change", "severity"),
    [
        ({}, OK),
        ({"free": 4 * GIB}, WARNING),
        ({"free": 1 * GIB}, ERROR),
        ({"read_only": True}, ERROR),
        ({"inodes": 10}, ERROR),
        ({"inodes": None}, OK),
    ],
)
def test_disk(change: dict[str, t.Any], severity: str) -> None:
    assert severities(doctor.disks({"/": {**DISK, **change}}, [Space("/", 2, 5)])) == [severity]


def test_needs_that_share_a_file_system_add_up() -> None:
    disks = {"/": {**DISK, "free": 3 * GIB}, "/var": {**DISK, "free": 3 * GIB}, "/opt": {**DISK, "device": 2, "free": 3 * GIB}}
    needs = [Space("/", 2, 2), Space("/var", 2, 2), Space("/opt", 2, 2)]
    assert severities(doctor.disks(disks, needs)) == [ERROR, OK]


def test_less_room_is_needed_where_the_role_is_applied_already() -> None:
    def needed(**options: bool) -> float:
        defaults = {"conda": False, "gpu_without_driver": False}
        return sum(need.error for need in doctor.space({"miniconda", "nvidia"}, prefix="/p", **{**defaults, **options}))

    assert needed(conda=True) < needed() < needed(gpu_without_driver=True)


@pytest.mark.parametrize(
    ("names", "port", "severity"),
    [
        (["sshd of root"], "2222", OK),
        (["ssh.socket"], "2222", OK),
        (["research-server-sshd-2222.socket", "sshd of root"], "2222", OK),
        (["sshd of root", "nc of bob"], "2222", ERROR),
        (["sshd of bob"], "2222", ERROR),
        (["cockpit.socket"], "2222", ERROR),
        # Asleep; awake; a program of hers.
        (["jupyter@ada.socket"], "20001", OK),
        (["jupyter@ada.socket", "python of ada"], "20001", OK),
        (["python3.11 of ada"], "20001", ERROR),
        (["jupyter@ada.socket"], "20002", ERROR),
        (["python of ada"], "20002", ERROR),
        (["x of ada of bob"], "20001", ERROR),
        (["systemd of root"], "20001", ERROR),
        (["sshd of root"], "20001", ERROR),
        (["?"], "20001", ERROR),
    ],
)
def test_ports(names: list[str], port: str, severity: str) -> None:
    assert severities(doctor.ports({port: names}, WANTED)) == [severity]


def test_only_who_is_in_the_way_is_named() -> None:
    (found,) = doctor.ports({"20001": ["jupyter@ada.socket", "nc of bob"]}, WANTED)
    assert (found.found, found.expected) == ("nc of bob listens on 20001", "a free port for JupyterLab of ada")


GPU: dict[str, t.Any] = {
    "driver": {"loaded": None},
    "health": {"disagreements": [], "next_boot": []},
    "secure_boot": {"state": "unsupported", "enforced": False, "key_enrolled": False},
}


@pytest.mark.parametrize(
    ("gpus", "roles", "required", "severity"),
    [
        ([], {"nvidia"}, True, ERROR),
        ([], {"nvidia"}, False, OK),
        ([], {"sshd"}, True, OK),
        ([{"architecture": "ampere", "lost": False}], {"nvidia"}, True, OK),
    ],
)
def test_gpu(gpus: list[dict[str, t.Any]], roles: set[str], required: bool, severity: str) -> None:
    assert doctor.gpu({**GPU, "gpus": gpus}, roles, required=required).severity == severity


@pytest.mark.parametrize(
    ("changes", "roles", "severity"),
    [
        ({}, {"nvidia"}, ERROR),
        ({}, {"sshd"}, OK),
        ({"driver": {"loaded": {"version": "550.1.1"}}}, {"nvidia"}, OK),
        ({"secure_boot": {"state": "enabled", "enforced": True, "key_enrolled": True}}, {"nvidia"}, OK),
    ],
)
def test_a_kernel_that_would_refuse_the_driver_stops_the_site(changes: dict[str, t.Any], roles: set[str], severity: str) -> None:
    card = {"architecture": "ampere", "lost": False}
    strict = {"state": "unsupported", "enforced": True, "key_enrolled": False}
    finding = doctor.gpu({**GPU, "gpus": [card], "secure_boot": strict, **changes}, roles, required=False)
    assert finding.severity == severity
    assert ("signed modules only" in finding.found) is (severity == ERROR)


REAL = {"start": 1024, "settable": True, "inherits": True, "units": []}


@pytest.mark.parametrize(
    ("facts", "port", "severity", "says"),
    [
        (REAL, 22, OK, "port 22: ports below 1024 are root's"),
        (REAL, 2222, OK, "port 2222: net.ipv4.ip_unprivileged_port_start will be 2223"),
        ({**REAL, "start": 2223}, 2222, OK, "port 2222: ports below 2223 are root's"),
        (REAL, 22022, OK, "port 22022: systemd will hold it"),
        ({**REAL, "units": ["research-server-sshd-22022.socket"]}, 22022, OK, "port 22022: systemd holds it"),
        ({**REAL, "start": 0, "settable": False}, 2222, OK, "port 2222: systemd will hold it"),
        ({**REAL, "start": 0, "settable": False, "inherits": False}, 2222, WARNING, "every account could take port 2222"),
    ],
)
def test_what_keeps_the_ssh_port_is_told(facts: dict[str, t.Any], port: int, severity: str, says: str) -> None:
    (finding,) = doctor.kept_port(facts, WANTED._replace(sshd_port=port))
    assert finding.severity == severity and finding.found.startswith(says)
    assert list(doctor.kept_port(facts, WANTED._replace(roles=frozenset({"jupyter"})))) == []


@pytest.mark.parametrize(
    ("installer", "months", "told"),
    [
        (INSTALLER, 12, ["Miniconda3-py312_25.1.1-2-Linux-x86_64.sh is 22 months old"]),
        (INSTALLER, 22, ["Miniconda3-py312_25.1.1-2-Linux-x86_64.sh is 22 months old"]),
        (INSTALLER, 23, []),
        (INSTALLER, 0, []),
        ("our-own.sh", 12, []),
        ("", 12, []),
    ],
)
def test_a_release_that_is_old_is_told_and_stops_nobody(installer: str, months: int, told: list[str]) -> None:
    findings = list(doctor.conda_age(installer, datetime.date(2026, 11, 26), months))
    assert [finding.found for finding in findings] == told
    assert severities(findings) == [WARNING] * len(told)


def test_environments_that_the_driver_cannot_run_are_errors_and_what_may_be_slow_a_warning() -> None:
    found = [
        ("new", [cuda.Need((13, 0), "cuda-version")]),
        ("minor", [cuda.Need((12, 8), "cuda-version")]),
        ("fits", [cuda.Need((12, 4), "cuda-version")]),
        ("plain", []),
    ]
    offer = cuda.Offer("550", cuda.offered("550"), ("ampere",))
    told = list(doctor.environments(found, offer))
    assert [(finding.topic, finding.severity, finding.found.split(":")[0]) for finding in told] == [
        ("gpu", "error", "environment new"),
        ("gpu", "warning", "environment minor"),
    ]
    assert not list(doctor.environments(found, cuda.NO_GPU))


def test_a_wrong_password_of_sudo_is_a_login_that_fails_with_what_helps() -> None:
    found = doctor.ended("Incorrect sudo password", begun=True)
    assert (found.topic, found.severity) == ("login", ERROR) and "-K" in found.do
    assert doctor.ended("x", begun=True).topic == "inside" and doctor.ended("x", begun=False).topic == "reachable"
