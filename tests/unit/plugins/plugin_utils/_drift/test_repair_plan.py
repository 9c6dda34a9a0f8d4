# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.damage import REPAIR
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.remedy import Commands
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.repair_plan import Plan, Run, arguments
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.report import Outcome, TaskRef
from ansible_collections.openlab.research_server.tests.unit.plugins.plugin_utils._drift.nights import BROKEN, FIRST, OFF, report

Result = tuple[TaskRef, Outcome]
OFF_RESULT: Result = (TaskRef("Gather", "accounts"), OFF)


def edit(role: str | None, text: str = "no", task: str = "Write it") -> Result:
    difference = {"before": f"{text}\n", "after": "yes\n", "before_header": "/etc/it"}
    return TaskRef(task, role, f"/c/roles/{role}/tasks/apply.yml", 12), Outcome("changed", diffs=[difference])


def damaged(role: str = "conda_envs") -> Result:
    return TaskRef("Make it", role), Outcome("changed", diffs=[{"before": "altered\n", "after": f"whole\n{REPAIR}\n"}])


def undeclared(topic: str = "listeners") -> Result:
    difference = {"before_header": f"{topic}: tcp *:80", "before": "there\n", "after": "declared\nfirewall_allow: [{port: 80}]\n"}
    return TaskRef(topic, "audit"), Outcome("changed", items=("tcp *:80",), diffs=[difference])


def plan(hosts: dict[str, list[Result]], roles: t.Sequence[str] = (), names: t.Sequence[str] | None = None) -> Plan:
    return Plan(report(0, hosts), names or list(hosts), roles)


def lines(made: Plan, days: float = 0) -> list[str]:
    return list(made.lines(FIRST + datetime.timedelta(days=days, minutes=11), Commands(["lab"])))


def test_the_site_runs_for_hosts_and_roles_that_differ_and_no_others() -> None:
    made = plan(
        {
            "a": [edit("sshd"), edit("accounts")],
            "b": [],
            "c": [edit("sshd"), undeclared()],
            "d": [OFF_RESULT],
            "e": [undeclared()],
        }
    )
    # On c, of which accounts may not have been compared, nobody was shown them.
    assert made.runs() == [Run(("a",), ("accounts", "sshd"), full=False), Run(("c",), ("sshd",), full=False)]
    assert made.question() == "Repair 3 differences on 2 hosts? [y/N] "
    assert list(made.repaired) == ["a", "c"]


def test_hosts_and_roles_can_be_chosen() -> None:
    hosts = {"a": [edit("sshd"), edit("accounts"), undeclared()], "b": [edit("sshd")]}
    assert plan(hosts, ["sshd"]).runs() == [Run(("a", "b"), ("sshd",), full=False)]
    assert plan(hosts, names=["b"]).runs() == [Run(("b",), ("sshd",), full=False)]
    made = plan(hosts, ["jupyter"])
    assert (made.runs(), made.exit_code) == ([], 2)
    assert plan(hosts, ["sshd"], ["b"]).question() == "Repair 1 difference on 1 host? [y/N] "
    # What was not asked for is not shown.
    assert "accounts" not in "".join(lines(plan(hosts, ["sshd"]))) and "listeners" not in "".join(lines(plan(hosts, ["sshd"])))


def test_files_are_read_only_where_a_difference_asks_for_it() -> None:
    made = plan({"a": [damaged(), edit("sshd")], "b": [edit("conda_envs")]})
    assert made.runs() == [Run(("b",), ("conda_envs",), full=False), Run(("a",), ("sshd", "conda_envs"), full=True)]
    told = lines(made)
    assert sum("miniconda_verify=full" in line and "by hand into conda" in line for line in told) == 1


def test_what_belongs_to_no_role_is_a_part_of_each_run() -> None:
    assert plan({"a": [edit(None)]}).runs() == [Run(("a",), ("always",), full=False)]


def test_people_see_what_would_change_and_what_would_not() -> None:
    restart = (TaskRef("Restart sshd", handler=True), Outcome("changed"))
    hidden = (TaskRef("Set passwords", "accounts"), Outcome("changed", hidden=True))
    made = plan({"a": [edit("sshd"), hidden, restart, undeclared(), edit("their.own.role")], "b": []})
    told = lines(made)
    assert told[0] == "By the report of 2026-11-01T02:40:00+00:00"
    assert told[2:] == [
        "a",
        "  sshd: Write it (roles/sshd/tasks/apply.yml:12)",
        "      /etc/it (is)",
        "      -no",
        "      +yes",
        "  accounts: Set passwords",
        "      (hidden: the task says no_log)",
        "  it may also run: Restart sshd",
        "  not repaired: nobody declared it, so no run decides whether it stays; what each says is its way out",
        "    listeners: tcp *:80",
        "        firewall_allow: [{port: 80}]",
        "    or, if it is right: research-server-drift accept -i lab -l a --topic listeners",
        "  not repaired: their.own.role: Write it (roles/their.own.role/tasks/apply.yml:12): no role of this collection; "
        "ansible-playbook site.yml, if yours has it",
    ]


def test_a_host_that_was_not_compared_is_told_with_what_to_do() -> None:
    made = plan({"a": [OFF_RESULT], "b": [edit("sshd"), (TaskRef("Break", "nvidia"), BROKEN)]})
    told = lines(made)
    assert "  unreachable, so not all of it was compared: accounts: Gather: no route" in told
    assert "  failed, so not all of it was compared: nvidia: Break: broken" in told
    assert told.count("    when that is mended: research-server-drift -i lab -l a") == 1
    assert (made.exit_code, [run.hosts for run in made.runs()]) == (3, [("b",)])


@pytest.mark.parametrize(("days", "told"), [(0.9, ""), (1.1, ", 1 day old"), (9.5, ", 9 days old"), (-1, "")])
def test_an_old_report_is_told(days: float, told: str) -> None:
    first = lines(plan({"a": []}), days)[0]
    assert first.startswith(f"By the report of 2026-11-01T02:40:00+00:00{told}")
    assert ("research-server-drift asks anew" in first) == bool(told)


def test_ansible_gets_names_as_they_are_and_peoples_options_last() -> None:
    run = Run(("a", "b"), ("sshd", "conda_envs"), full=True)
    assert arguments(run, "a,b,", ["my lab"], ["-e", "miniconda_verify=off"]) == [
        "openlab.research_server.site",
        "--inventory=my lab",
        "--limit=a,b,",
        "--tags=sshd,conda_envs",
        "--extra-vars=miniconda_verify=full",
        "-e",
        "miniconda_verify=off",
    ]
    assert not [word for word in arguments(run._replace(full=False), "a,", [], []) if "verify" in word]
