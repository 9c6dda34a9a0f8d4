# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hardening is worth, and what it costs: ssh-audit, Lynis, and a second run beside 46 tasks that do nothing.

    python bench/hardening.py [--rounds 5] [--keep]

Two bare test servers, Debian 12 and 13, get the roles of ROLES. Judges: ssh-audit (plain, and its policy for the release), and
Lynis from the release's own archive, before and after. Peer of the costs: 46 tasks that do nothing (as many as the ssh role of
devsec.hardening 10.6.0 has), on the same host and kind of connection, in turns. Ends with one line of figures: the tasks of
a second run; its median time relative to the peer's, on the slower release; ssh-audit's failures and warnings on both releases
together, and its policies, passed only if both are; the index of Lynis's ssh group by release.

ssh-audit 3.9.0 warns of every key exchange that is not post-quantum, and its policy for Debian 12 demands five of them: one of
the two has to give. The role's default follows the policy; a line of its own shows the other choice.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "demo"))
import playbook  # noqa: E402
from hosts import servers  # noqa: E402
from quiet_play import PEER_TASKS, peer_playbook, play  # noqa: E402
from shell import docker, run  # noqa: E402

WORK = ROOT / ".cache" / "bench" / "hardening"
ROLES = ("accounts", "firewall", "sshd", "fail2ban")
POLICIES = {"debian12": "Hardened Debian 12 (version 3)", "debian13": "Hardened Debian 13 (version 1)"}
PORT = 2222
LYNIS_GROUP = "ssh"


@dataclass(frozen=True)
class Audit:
    """What ssh-audit says of one server."""

    failures: int
    warnings: int
    policy: str


@dataclass(frozen=True)
class Lynis:
    """Hardening indices, 0 to 100."""

    group: int
    whole: int


def inventory(hosts: Mapping[str, servers.Server], key: Path) -> Path:
    public = key.with_suffix(".pub").read_text(encoding="utf-8").strip()
    known = WORK / "known_hosts"
    known.write_text("".join(host.known_hosts_line() for host in hosts.values()), encoding="utf-8")
    names = {host.name: {"ansible_host": host.address} for host in hosts.values()}
    content = {
        "all": {
            "vars": {
                "ansible_user": servers.ADMINISTRATOR,
                "ansible_ssh_private_key_file": str(key),
                "ansible_ssh_common_args": f"-F /dev/null -o UserKnownHostsFile={known} -o IdentitiesOnly=yes",
                "sshd_port": PORT,
                "accounts_administrators": [{"name": servers.ADMINISTRATOR, "keys": [public], "sudo_nopasswd": True}],
            },
            "children": {"research_servers": {"hosts": names}, **{role: {"hosts": dict.fromkeys(names)} for role in ROLES}},
        }
    }
    path = WORK / "hosts.yml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def audit(host: servers.Server, policy: str, port: int) -> Audit:
    common = ["ssh-audit", "--skip-rate-test", "-p", str(port)]
    report = json.loads(run([*common, "-j", host.address], timeout=120, check=False).stdout)
    notes = [entry.get("notes", {}) for kind in ("kex", "key", "enc", "mac") for entry in report[kind]]
    told = run([*common, "-n", "-P", policy, host.address], timeout=120, check=False)
    (WORK / f"ssh-audit-{host.name}-{port}.txt").write_text(
        run([*common, "-n", host.address], timeout=120, check=False).stdout + told.stdout, encoding="utf-8"
    )
    return Audit(
        failures=sum(len(note.get("fail", [])) for note in notes),
        warnings=sum(len(note.get("warn", [])) for note in notes),
        policy="passed" if told.returncode == 0 and "Passed" in told.stdout else "failed",
    )


def install_lynis(host: servers.Server) -> str:
    docker(
        "exec",
        host.name,
        "sh",
        "-ec",
        "apt-get update -q >&2; apt-get install -qy --no-install-recommends lynis >&2",
        timeout=300,
    )
    return docker("exec", host.name, "lynis", "show", "version").strip()


def lynis(host: servers.Server, when: str) -> Lynis:
    return Lynis(group=_lynis(host, f"{when}-group", "--tests-from-group", LYNIS_GROUP), whole=_lynis(host, f"{when}-whole"))


def _lynis(host: servers.Server, name: str, *arguments: str) -> int:
    docker("exec", host.name, "lynis", "audit", "system", "--quick", "--no-colors", *arguments, timeout=300)
    for file in ("lynis.log", "lynis-report.dat"):
        (WORK / f"{name}-{host.name}-{file}").write_text(docker("exec", host.name, "cat", f"/var/log/{file}"), encoding="utf-8")
    report = (WORK / f"{name}-{host.name}-lynis-report.dat").read_text(encoding="utf-8")
    found = re.search(r"^hardening_index=(\d+)$", report, re.MULTILINE)
    if not found:
        raise SystemExit(f"Lynis gave no index for {host.name}; its report is in {WORK}")
    return int(found[1])


def costs(host: servers.Server, hosts_file: Path, peer: Path, rounds: int) -> Iterator[tuple[playbook.Result, playbook.Result]]:
    """(second run of our roles, the peer) in turns; the first round warms up and is not counted."""
    limited = ("-i", str(hosts_file), "--limit", host.name)
    for number in range(rounds + 1):
        ours = play(WORK / "second.log", "playbooks/site.yml", *limited, unchanged=True)
        theirs = play(WORK / "peer.log", str(peer), *limited, "-e", f"ansible_port={PORT}", unchanged=True)
        if number:
            yield ours, theirs


def measure(rounds: int, roles: tuple[str, ...]) -> str:
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    key = WORK / "key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], timeout=30)
    started = servers.start(
        {f"{release}-hardening": release for release in POLICIES}, key.with_suffix(".pub").read_text("utf-8").strip()
    )
    hosts = dict(zip(POLICIES, started))
    hosts_file, peer = inventory(hosts, key), peer_playbook(WORK)
    versions = {release: install_lynis(host) for release, host in hosts.items()}
    before = {release: (audit(host, POLICIES[release], 22), lynis(host, "before")) for release, host in hosts.items()}
    play(WORK / "first.log", "playbooks/site.yml", "-i", str(hosts_file))
    after = {release: (audit(host, POLICIES[release], PORT), lynis(host, "after")) for release, host in hosts.items()}
    print(f"roles: {', '.join(roles)}; ssh-audit: fail/warn, policy; Lynis: ssh group, whole index")
    print(f"{'':10} {'ssh-audit':>20} {'Lynis':>8}      {'ssh-audit':>20} {'Lynis':>8}")
    for release in hosts:
        row = "  ->  ".join(
            f"{judged.failures:>3}/{judged.warnings:<3} {judged.policy:>12} {index.group:>5}/{index.whole}"
            for judged, index in (before[release], after[release])
        )
        print(f"{release:10} {row}   (Lynis {versions[release]})")
    ratios, tasks = {}, 0
    for release, host in hosts.items():
        ours, theirs = zip(*costs(host, hosts_file, peer, rounds))
        tasks = max(tasks, *(max(result.tasks.values()) for result in ours))
        mine, other = (statistics.median(result.seconds for result in runs) for runs in (ours, theirs))
        ratios[release] = mine / other
        print(f"{release:10} {mine:.2f} s, {PEER_TASKS} no-op tasks {other:.2f} s: {mine / other:.2f} (medians of {rounds})")
    oldest = next(iter(hosts))
    strictly = ("--limit", hosts[oldest].name, "-e", "sshd_post_quantum=required")
    play(WORK / "required.log", "playbooks/site.yml", "-i", str(hosts_file), *strictly)
    strict = audit(hosts[oldest], POLICIES[oldest], PORT)
    print(f"{oldest:10} with sshd_post_quantum=required: ssh-audit {strict.failures}/{strict.warnings}, policy {strict.policy}")
    audits = [judged for judged, _index in after.values()]
    return " ".join(
        [
            f"tasks={tasks}",
            f"noop_vs_{PEER_TASKS}_tasks={max(ratios.values()):.2f}",
            f"audit_fail={sum(judged.failures for judged in audits)}",
            f"audit_warn={sum(judged.warnings for judged in audits)}",
            f"audit_policy={'passed' if all(judged.policy == 'passed' for judged in audits) else 'failed'}",
            *(f"lynis_ssh_{release.removeprefix('debian')}={index.group}" for release, (_judged, index) in after.items()),
        ]
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--keep", action="store_true", help="leave the servers running")
    chosen = options.parse_args()
    try:
        print(measure(chosen.rounds, ROLES))
    finally:
        if not chosen.keep:
            servers.remove([f"{release}-hardening" for release in POLICIES])


if __name__ == "__main__":
    main()
