# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Examine a host from outside and inside; a host that cannot be examined is an answer too."""

from __future__ import annotations

import datetime
import time
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._host.refused import RefusedError
from ..module_utils._nvidia.cuda import NO_GPU, Need, Offer, offered
from ..module_utils._nvidia.pci import own
from ..module_utils._text.secrets import mask
from ..module_utils._text.shown import SIDE_LIMIT, shown_line, text_of
from ..plugin_utils._answers import NVIDIA_INFO, SETUP, doctor_info, misfit
from ..plugin_utils._doctor import judge as doctor
from ..plugin_utils._doctor.judge import ERROR, OK, WARNING, Finding
from ..plugin_utils._guarded import guarded
from ..plugin_utils._jupyter.port import port_of
from ..plugin_utils._login import first_contact as contact
from ..plugin_utils._login.client import has_become_password
from ..plugin_utils._login.client import options as ssh_options
from ..plugin_utils._login.endpoint import candidates, port_numbers, with_alias
from ..plugin_utils._login.meet import Target, find, read_pins, try_login
from ..plugin_utils._login.reach import read_client
from ..plugin_utils._nvidia.plan import driver_to_be
from ..plugin_utils._preflight.check import check_platform
from ..plugin_utils._preflight.conda_envs import gpu_needs
from ..plugin_utils._preflight.roles import check_roles, unreached
from ..plugin_utils._role_variables import ROLES, RoleVariables

FACTS = ["!all", "!min", "distribution", "env", "pkg_mgr", "platform", "python", "service_mgr"]


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    @guarded
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        super().run(tmp, variables)
        _result, arguments = self.validate_argument_spec(
            argument_spec={
                "roles": {"type": "list", "elements": "str"},
                "note": {"type": "str"},
                "timeout": {"type": "int", "default": 5},
            }
        )
        self._timeout = arguments["timeout"]
        roles = arguments["roles"]
        if roles is None:
            roles = sorted(path.name for path in ROLES.iterdir() if path.name in variables.get("group_names", ()))
        self._told = self._role_variables(roles, variables)
        findings = [Finding("note", OK, arguments["note"])] if arguments["note"] else []
        try:
            port = self._reach(findings, variables) if self._connection.transport == "ssh" else 0
            if doctor.worst(findings) != ERROR:
                self._examine(roles, port, findings, variables)
        except (AnsibleError, OSError, ValueError, RefusedError) as error:
            findings.append(doctor.ended(one_line(error), begun=bool(findings)))
        except Exception as error:  # whatever a host answers, it gets a verdict
            told = f"the examination ended unexpectedly ({type(error).__name__}: {one_line(error)})"
            findings.append(Finding("inside", ERROR, told, "answers that can be understood", "look who owns the machine"))
        if not any(finding.topic == "inventory" for finding in findings):
            findings += self._told_by_the_inventory(roles, variables)
        return {"changed": False, "verdict": doctor.worst(findings), "findings": [finding._asdict() for finding in findings]}

    def _role_variables(self, roles: list[str], variables: dict[str, t.Any]) -> RoleVariables:
        return RoleVariables(self._templar, [*roles, "sshd", "miniconda"], variables)

    def _value(self, name: str, default: t.Any) -> t.Any:
        """A variable; what is wrong with it, the preflight tells."""
        try:
            return self._told.value(name, default)
        except AnsibleError:
            return default

    def _reach(self, findings: list[Finding], variables: dict[str, t.Any]) -> int:
        """From outside: does an SSH server answer, is it the pinned one, does the administrator get in?"""
        option = self._connection.get_option
        wanted = [self._value("sshd_port", 2222), option("port") or 22, 22, *self._value("sshd_previous_ports", [])]
        options = ssh_options(self._connection)
        client = read_client(option("host"), options)
        ports = candidates(port_numbers(wanted), client.port)
        pins, files = read_pins(client, ports)
        target, offered = find(client, [Target(option("host"), port, tuple(options), self._timeout) for port in ports], pins)
        if not contact.is_pinned(client.alias, offered, pins, files) and not pins.authority:
            findings.append(
                Finding(
                    "reachable",
                    ERROR,
                    f"port {target.port}, unknown host key {offered}",
                    "a pinned host key",
                    "run the playbook openlab.research_server.bootstrap",
                )
            )
            return target.port
        findings.append(Finding("reachable", OK, f"port {target.port}, host key {offered}"))
        common_args = with_alias(option("ssh_common_args") or "", client.alias)
        self._connection.set_option("port", target.port)
        self._connection.set_option("ssh_common_args", common_args)
        user = option("remote_user") or ""
        done, _asked = try_login(
            Target(option("host"), target.port, tuple(ssh_options(self._connection)), self._timeout), user, None
        )
        login = contact.parse_login(done.stdout)
        has_password = has_become_password(self._play_context, variables)
        if login.uid < 0:
            problem = contact.login_problem(user, done.stdout, done.stderr, password=False)
            findings.append(
                Finding(
                    "login",
                    ERROR,
                    problem,
                    "a login with a key",
                    "run the playbook openlab.research_server.bootstrap, or see docs/recovery.md",
                )
            )
        elif not (login.may_become_root or (login.sudo and has_password)):
            findings.append(Finding("login", ERROR, contact.sudo_problem(user, login), "an account that may become root", "-K"))
        else:
            how = "root" if login.uid == 0 else f"sudo {'asks for a password' if login.sudo == 'asks' else 'is free'}"
            findings.append(Finding("login", OK, f"{user}, {how}"))
            if not login.python:
                findings.append(doctor.python(""))
        return target.port

    def _examine(self, roles: list[str], port: int, findings: list[Finding], variables: dict[str, t.Any]) -> None:
        """From inside."""
        facts = self._module("ansible.builtin.setup", {"gather_subset": FACTS}, variables, SETUP)["ansible_facts"]
        # As gathered facts are known to a play, without their prefix.
        facts = {name.removeprefix("ansible_"): value for name, value in facts.items()}
        problems = check_platform(facts)
        system = f"{facts.get('distribution')} {facts.get('distribution_version')}, {facts.get('architecture')}"
        findings += [Finding("system", ERROR, problem) for problem in problems] or [Finding("system", OK, system)]
        variables = {**variables, "ansible_facts": facts}
        self._told = self._role_variables(roles, {**variables, "ansible_facts": facts})
        gpu = self._module("openlab.research_server.nvidia_info", self._nvidia_arguments(), variables, NVIDIA_INFO)["info"]
        installed = self._value("miniconda_installer", "")
        wanted = self._wanted(roles, port, str(installed))
        without_driver = bool(gpu["gpus"]) and not gpu["driver"]["loaded"]
        needs = doctor.space(roles, prefix=wanted.prefix, conda=False, gpu_without_driver=without_driver)
        before = time.time()
        answer = self._module(
            "openlab.research_server.doctor_info",
            {
                "paths": [need.path for need in needs],
                "ports": sorted({wanted.sshd_port, *wanted.jupyter_ports}),
                "urls": self._urls(roles, wanted),
                "packages": self._packages(roles),
                "prefix": wanted.prefix,
                "timeout": self._timeout,
            },
            variables,
            doctor_info(need.path for need in needs),
        )["facts"]
        after = time.time()
        # The host read its clock somewhere in between; only what is outside of that is an offset.
        offset = max(0.0, answer["time"] - after) + min(0.0, answer["time"] - before)
        findings += doctor.judge({**answer, "gpu_without_driver": without_driver}, wanted, offset)
        if "miniconda" in roles:
            months = int(self._value("miniconda_age_notice", 0))
            findings += doctor.conda_age(wanted.installer, datetime.date.today(), months)
        findings.append(doctor.gpu(gpu, roles, required=bool(self._value("nvidia_required", False))))
        told = self._preflight(roles, variables)
        findings += told
        if "conda_envs" in roles and doctor.worst(told) != ERROR:
            findings += doctor.environments(self._gpu_needs(), self._offer(gpu, "nvidia" in roles, facts))

    def _packages(self, roles: list[str]) -> list[str]:
        """What the roles install besides what they make."""
        chosen = self._value("workbench_packages", ()) if "workbench" in roles else ()
        return sorted({*map(str, chosen), *(name for role in roles for name in doctor.PACKAGES.get(role, ()))})

    def _gpu_needs(self) -> list[tuple[str, list[Need]]]:
        return gpu_needs(
            {name: self._value(name, None) for name in self._told.raw if name.startswith(("conda_envs_", "ansible_facts"))}
        )

    def _offer(self, gpu: dict[str, t.Any], managed: bool, facts: dict[str, t.Any]) -> Offer:
        """What the host offers when the site has been applied."""
        stated = str(self._value("conda_envs_cuda", "auto"))
        cards = own(gpu["gpus"])
        if stated == "none" or not cards:
            return NO_GPU
        system = (str(facts.get("distribution", "")).lower(), str(facts.get("distribution_major_version", "")))
        source, version = (str(self._value(name, "")) if managed else "" for name in ("nvidia_source", "nvidia_version"))
        driver = driver_to_be(gpu, system, source, version)
        return Offer(driver, offered(driver) or stated.replace("auto", ""), tuple({card["architecture"] for card in cards}))

    def _nvidia_arguments(self) -> dict[str, t.Any]:
        root = self._value("nvidia_sysfs_root", None)
        return {"sysfs_root": root} if root else {}

    def _wanted(self, roles: list[str], port: int, installer: str) -> doctor.Wanted:
        explicit = self._value("jupyter_ports", {})
        users = self._value("jupyter_users", []) if "jupyter" in roles else []
        base = str(self._value("miniconda_base_url", "")).rstrip("/")
        return doctor.Wanted(
            roles=frozenset(roles),
            sshd_port=int(self._value("sshd_port", 2222)),
            current_port=port,
            jupyter_ports={port_of(user, explicit): user for user in users},
            prefix=str(self._value("miniconda_prefix", "/opt/miniconda3")),
            installer=installer,
            installer_url=f"{base}/{installer}" if installer and "miniconda" in roles else "",
        )

    def _urls(self, roles: list[str], wanted: doctor.Wanted) -> list[str]:
        if "miniconda" not in roles:
            return []
        alias = str(self._value("miniconda_channel_alias", "")).rstrip("/")
        custom = self._value("miniconda_custom_channels", {})
        urls = [wanted.installer_url]
        for channel in map(str, self._value("miniconda_channels", [])):
            if "://" in channel:
                urls.append(f"{channel.rstrip('/')}/noarch/repodata.json")
            elif channel != "defaults":
                urls.append(f"{str(custom.get(channel, alias)).rstrip('/')}/{channel}/noarch/repodata.json")
        return [url for url in urls if url]

    def _preflight(self, roles: list[str], variables: dict[str, t.Any]) -> list[Finding]:
        """Whatever site.yml would refuse about the inventory."""
        if not roles:
            told = [Finding("inventory", ERROR, problem) for problem in unreached(variables)]
            return told or [Finding("inventory", OK, "no role is for this host; the site leaves it as it is")]
        facts = variables["ansible_facts"]
        found = check_roles(self._templar, roles, variables, facts)
        if found.problems:
            return [Finding("inventory", ERROR, problem) for problem in found.problems]
        told = [Finding("inventory", WARNING, warning) for warning in found.warnings]
        return [*told, Finding("inventory", OK, f"the variables of {len(roles)} roles fit")]

    def _told_by_the_inventory(self, roles: list[str], variables: dict[str, t.Any]) -> list[Finding]:
        """What is wrong with it, whatever the host is."""
        problems = check_roles(self._templar, roles, variables, {}).problems if roles else unreached(variables)
        return [Finding("inventory", ERROR, problem) for problem in problems]

    def _module(self, name: str, arguments: dict[str, t.Any], variables: dict[str, t.Any], shape: t.Any) -> dict[str, t.Any]:
        result: dict[str, t.Any] = self._execute_module(module_name=name, module_args=arguments, task_vars=variables)
        if result.get("failed") or result.get("unreachable"):
            said = " ".join(text_of(result.get(key)) for key in ("msg", "module_stderr", "module_stdout"))
            raise AnsibleError(f"{name.rpartition('.')[2]} could not run: {one_line(said)}")
        wrong = misfit(result, shape)
        if wrong:
            raise AnsibleError(
                f"the answer of {name.rpartition('.')[2]} makes no sense: {one_line(wrong)}; look who owns the machine"
            )
        return result


def one_line(text: object) -> str:
    return shown_line(" ".join(mask(str(text)[:SIDE_LIMIT]).split()), 400)
