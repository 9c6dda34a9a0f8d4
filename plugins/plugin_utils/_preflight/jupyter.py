# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the variables of the role `jupyter` must satisfy together, and its lock. Private to this collection."""

from __future__ import annotations

import difflib
import re
import typing as t
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...module_utils._conda.errors import CondaEnvError
from ...module_utils._conda.specification import Settings, Specification, parse
from ...module_utils._jupyter.limits import size
from .._jupyter.environment import dependencies
from .._jupyter.port import HIGHEST, LOWEST, collisions, free_port, port_of
from . import directives
from .locks import architecture, check_lock, ignored

# useradd(8), CAVEATS; a dot is common with central directories. Also safe as the instance of a systemd unit and as a file name.
NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
# systemd.resource-control(5), DeviceAllow=. The role adds the rights; more than this systemd ignores.
DEVICE = re.compile(r"/dev/[^\s\"'\\%]+|(?:char|block)-[^\s\"'\\%]+")
OPTION = re.compile(r"[A-Za-z]\w*\.\w+")
DIRECTIVE = re.compile(r"[A-Z][A-Za-z0-9]+")
# JupyterLab, "Localization and Internationalization"; its packages are jupyterlab-language-pack-zh-CN and the like.
LANGUAGE = re.compile(r"[a-z]{2,3}_([A-Z]{2}|[A-Z][a-z]{3})")
# An extension and its plugin, as the name of each file below JupyterLab's share/jupyter/lab/schemas.
PLUGIN = re.compile(r"(@[\w.-]+/)?[\w.-]+:[\w.-]+")

# What keeps a server on the loopback address and behind its token and the checks of its visitors (Jupyter Server, "Config file
# and command line options"). Refused under the name of any class: traitlets takes the option of a class from those that it is
# made from, too (JupyterApp.ip), jupyter_server from each application in it (LabApp.ip), and notebook_shim from names of old
# (NotebookApp.ip).
FIXED_OPTIONS = {
    # Where it listens; for kernels, too.
    *("ip", "port", "port_retries", "sock", "sock_mode"),
    # Who gets in.
    *("allow_root", "allow_unauthenticated_access", "authenticate_prometheus", "hashed_password"),
    *("identity_provider_class", "login_handler_class", "logout_handler_class", "password", "password_required", "token"),
    *("cookie_options", "cookie_secret", "cookie_secret_file", "get_secure_cookie_kwargs", "secure_cookie"),
    # Whose pages may use it.
    *("allow_credentials", "allow_origin", "allow_origin_pat", "allow_remote_access", "disable_check_xsrf", "local_hostnames"),
    *("settings", "tornado_settings", "trust_xheaders"),
    # Further places with all of these, and handlers of one's own.
    *("config_file", "config_file_name", "extra_services", "handlers"),
    # What would be no server, or needs a screen.
    *("generate_config", "show_config", "show_config_json", "open_browser"),
    # The role's own; where pages are, `lab-jupyter` tells.
    *("base_url", "kernel_spec_manager_class"),
}
# What makes the unit the user's own (systemd.exec(5), systemd.service(5)).
FIXED_DIRECTIVES = {
    *("DynamicUser", "Group", "RuntimeDirectory", "RuntimeDirectoryMode", "StateDirectory", "StateDirectoryMode"),
    *("NotifyAccess", "Restart", "Slice", "Type", "User", "WorkingDirectory"),
}


def check(variables: Mapping[str, t.Any]) -> list[str]:
    """Say what is wrong with the role's variables; nothing if they can be applied."""
    variables = _named(variables)
    users: list[str] = variables.get("jupyter_users", [])
    ports: Mapping[str, t.Any] = variables.get("jupyter_ports", {})
    problems = [*_names(users), *_explicit(ports)]
    if not problems:
        problems += _collisions(users, ports)
        problems += _shared(variables.get("jupyter_shared_ports", []), {port_of(name, ports): name for name in users})
    problems += _paths(variables.get("jupyter_writable_paths", []))
    problems += _devices(variables.get("jupyter_devices", []))
    problems += _options(variables.get("jupyter_server_options", {}))
    problems += _directives(variables.get("jupyter_unit_settings", {}))
    problems += limits(variables)
    problems += _settings(variables.get("jupyter_settings", {}))
    problems += _environment(variables)
    return problems


def _named(variables: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """With names as text: YAML reads some as numbers or dates, others as yes and no."""
    return {
        name: {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else value
        for name, value in variables.items()
    }


def warnings(variables: Mapping[str, t.Any]) -> list[str]:
    """Ports of somebody whose name is one typing error away from a person without one. Those of people who left may stay."""
    variables = _named(variables)
    users = set(variables.get("jupyter_users", []))
    ports = variables.get("jupyter_ports", {})
    found = []
    for name in sorted(set(ports) - users):
        near = difflib.get_close_matches(name, sorted(users - set(ports)), n=1)
        if near:
            found.append(f"jupyter_ports: found '{name}', who has no JupyterLab here; did you mean '{near[0]}'?")
    if variables.get("jupyter_lock_policy") == "prefer":
        found += ignored("jupyter", _lock(variables), read_specification(variables), Settings(), architecture(variables))
    return found


# Variable -> the directive that it becomes.
LIMITS = {
    "jupyter_cpu_quota": "CPUQuota",
    "jupyter_memory_high": "MemoryHigh",
    "jupyter_memory_max": "MemoryMax",
    "jupyter_tasks_max": "TasksMax",
}
# The same, of groups and of people.
OF_SOMEBODY = {"cpu_quota": "CPUQuota", "memory_high": "MemoryHigh", "memory_max": "MemoryMax", "tasks_max": "TasksMax"}
# With less of it nobody could log in to say so. 64 is 64 bytes.
LEAST = {"memory_high": "128M", "memory_max": "128M", "tasks_max": "32"}
GPU = re.compile(r"all|[0-9]{1,2}|(?:GPU|MIG)-[0-9a-fA-F-]{36}")


def limits(variables: Mapping[str, t.Any]) -> list[str]:
    found = [
        (
            name,
            directives.problem(directive, variables.get(name)) or _too_little(name.removeprefix("jupyter_"), variables.get(name)),
        )
        for name, directive in LIMITS.items()
    ]
    found += [
        (f"jupyter_unit_settings: {name}", directives.problem(name, item))
        for name, value in sorted(variables.get("jupyter_unit_settings", {}).items())
        # In a list an empty item takes back those before it (systemd.syntax(7)).
        for item in ([item for item in value if item != ""] if isinstance(value, list) else [value])
    ]
    for variable in ("jupyter_group_limits", "jupyter_user_limits"):
        for name, limits in sorted(variables.get(variable, {}).items()):
            found += [(f"{variable}: {name}", sentence) for sentence in _of_somebody(limits)]
    found.append(("jupyter_gpus", _gpus(variables.get("jupyter_gpus", []))))
    idle = variables.get("jupyter_stop_idle_after", 0)
    if idle < 0:
        found.append(("jupyter_stop_idle_after", f"found {idle}; expected seconds, or 0 for never; correct the number"))
    if variables.get("jupyter_start_timeout", 1) < 1:
        # For systemd it is no limit, and a run would wait for nobody.
        found.append(
            (
                "jupyter_start_timeout",
                f"found {variables['jupyter_start_timeout']}; expected seconds, 1 or more; correct the number",
            )
        )
    return [f"{name}: {sentence}" for name, sentence in found if sentence]


def _of_somebody(limits: object) -> list[str]:
    if not isinstance(limits, Mapping):
        return [f"found {limits!r}; expected limits such as {{memory_max: 8G}}; write one limit per line below the name"]
    problems = []
    for limit, value in sorted(limits.items(), key=str):
        if limit == "gpus":
            sentence = _gpus(value)
            problems.append(f"{limit}: {sentence}" if sentence else "")
        elif limit in OF_SOMEBODY:
            sentence = directives.problem(OF_SOMEBODY[limit], value) or _too_little(limit, value)
            problems.append(f"{limit}: {sentence}" if sentence else "")
        else:
            near = difflib.get_close_matches(str(limit), (*OF_SOMEBODY, "gpus"), n=1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            problems.append(f"found '{limit}'; expected {', '.join((*sorted(OF_SOMEBODY), 'gpus'))}{meant or '; remove it'}")
    return list(filter(None, problems))


def _too_little(limit: str, value: object) -> str:
    """Of a limit that systemd reads."""
    least, word = LEAST.get(limit), str(value).strip()
    # Whether a share of the host is enough, only the host knows.
    if least is None or value is None or word.endswith("%") or size(word, 1.0) >= size(least, 1.0):
        return ""
    meant = f"; did you mean '{word}G'?" if word.isdecimal() and least.endswith("M") else "; correct the number"
    return f"found {value!r}; expected at least {least}, or nobody whom it is for could log in{meant}"


def _gpus(wanted: object) -> str:
    words = wanted if isinstance(wanted, list) else None
    if words is not None and all(not isinstance(word, bool) and GPU.fullmatch(str(word)) for word in words):
        return ""
    return (
        f"found {wanted!r}; expected a list of GPUs, by number (as in /dev/nvidia0) or UUID, or of UUIDs of MIG instances; "
        "[all], or [] for none; 'nvidia-smi -L' shows the UUIDs"
    )


def _names(users: Iterable[str]) -> list[str]:
    problems = []
    for name in users:
        if name == "root":
            problems.append(
                "jupyter_users: found 'root'; expected people's own accounts: everything that runs in a notebook would run as "
                "root; remove it from the list"
            )
        elif not NAME.fullmatch(name):
            problems.append(
                f"jupyter_users: found {name!r}; expected a login name of lower case letters, digits, '_', '-' and '.', "
                "at most 32 characters, beginning with a letter or '_'; correct the name"
            )
    return problems


def _explicit(ports: Mapping[str, t.Any]) -> list[str]:
    problems = []
    for name, port in sorted(ports.items()):
        try:
            number = int(port)
        except (TypeError, ValueError):
            number = -1
        if isinstance(port, (bool, float)) or not LOWEST <= number <= HIGHEST:
            problems.append(
                f"jupyter_ports: found {port!r} for '{name}'; expected a whole number from {LOWEST} to {HIGHEST}, below the "
                "ports that the kernel gives to outgoing connections; choose another port"
            )
    return problems


def _collisions(users: Iterable[str], ports: Mapping[str, t.Any]) -> list[str]:
    everyone = list(users)
    taken = {port_of(name, ports) for name in everyone}
    problems = []
    for port, names in collisions(everyone, ports).items():
        # Whoever has the port by the name alone can be moved.
        mover = next((name for name in reversed(names) if name not in ports), names[-1])
        proposal = free_port(port, taken)
        taken.add(proposal)
        problems.append(
            f"jupyter_users: found port {port} for {' and '.join(names)}; expected a port of its own for each; "
            f"set '{mover}: {proposal}' in jupyter_ports"
        )
    return problems


def _shared(shared: Iterable[int], owned: Mapping[int, str]) -> list[str]:
    problems = []
    for port in shared:
        if not 1 <= port <= 65535:
            problems.append(f"jupyter_shared_ports: found {port}; expected ports from 1 to 65535; correct the number")
        elif port in owned:
            problems.append(
                f"jupyter_shared_ports: found {port}, the port of the JupyterLab of {owned[port]}; expected other ports; remove "
                "it, or give its owner another port in jupyter_ports"
            )
    return problems


def _paths(paths: Iterable[str]) -> list[str]:
    problems = []
    for path in paths:
        if not path.startswith("/") or any(character.isspace() or character in "%:\"'\\" for character in path):
            problems.append(
                f"jupyter_writable_paths: found {path!r}; expected an absolute path without spaces, quotes, ':' and '%'; "
                "correct the path"
            )
        elif path.rstrip("/") in ("", "/etc", "/usr", "/boot"):
            problems.append(
                f"jupyter_writable_paths: found {path!r}; expected directories of people's data; the system stays read-only "
                "inside JupyterLab; remove it"
            )
    return problems


def _devices(devices: Iterable[str]) -> list[str]:
    return [
        f"jupyter_devices: found {device!r}; expected a path below /dev, or a group of devices such as 'char-alsa', without "
        "rights behind it, of which systemd would make nothing; correct it"
        for device in devices
        if not DEVICE.fullmatch(device)
    ]


def _options(options: Mapping[str, t.Any]) -> list[str]:
    problems = []
    for name, value in sorted(options.items()):
        if name.rpartition(".")[2] in FIXED_OPTIONS and OPTION.fullmatch(name):
            problems.append(
                f"jupyter_server_options: found '{name}'; expected options that do not decide who may connect; JupyterLab "
                "stays on the loopback address behind a token; remove it"
            )
        elif not OPTION.fullmatch(name):
            problems.append(
                f"jupyter_server_options: found '{name}'; expected 'Class.option', for example "
                "'MappingKernelManager.cull_idle_timeout'; correct the name"
            )
        elif "\n" in str(value):
            problems.append(f"jupyter_server_options: found a line break in '{name}'; expected one line; correct the value")
    return problems


def _directives(settings: Mapping[str, t.Any]) -> list[str]:
    problems = []
    for name, value in sorted(settings.items()):
        if name in FIXED_DIRECTIVES or name.startswith("Exec"):
            problems.append(
                f"jupyter_unit_settings: found '{name}'; expected a limit or a sandbox setting; who runs what is the role's; "
                "remove it"
            )
        elif not DIRECTIVE.fullmatch(name):
            problems.append(
                f"jupyter_unit_settings: found '{name}'; expected the name of a [Service] setting, for example 'CPUQuota' "
                "(systemd.exec(5), systemd.resource-control(5)); correct the name"
            )
        elif any("\n" in str(line) or str(line).endswith("\\") for line in (value if isinstance(value, list) else [value])):
            problems.append(
                f"jupyter_unit_settings: found a line break in '{name}', or a backslash at the end; expected one line or a list; "
                "correct it"
            )
    return problems


def _settings(settings: Mapping[str, t.Any]) -> list[str]:
    return [
        f"jupyter_settings: found '{plugin}: {values}'; expected a plugin of JupyterLab with a mapping, for example "
        "'\"@jupyterlab/apputils-extension:themes\": {theme: JupyterLab Dark}', as its Settings Editor shows them; correct it"
        for plugin, values in sorted(settings.items())
        if not (PLUGIN.fullmatch(plugin) and isinstance(values, Mapping))
    ]


def _environment(variables: Mapping[str, t.Any]) -> list[str]:
    """What is wrong with JupyterLab's own environment."""
    language = str(variables.get("jupyter_language", ""))
    if language and not LANGUAGE.fullmatch(language):
        return [f"jupyter_language: found '{language}'; expected a language and a region, for example 'zh_CN'; correct it"]
    try:
        policy = ("jupyter_lock_policy", str(variables.get("jupyter_lock_policy", "ignore")))
        check_lock(_lock(variables), read_specification(variables), policy, Settings(), architecture(variables))
    except CondaEnvError as error:
        return [f"jupyter_extensions, jupyter_packages: {error.message('jupyter')}".replace("\n", " ")]
    return []


def read_specification(variables: Mapping[str, t.Any]) -> Specification:
    made_of = dependencies(
        variables.get("jupyter_packages", ["jupyterlab"]),
        variables.get("jupyter_extensions", []),
        str(variables.get("jupyter_language", "")),
        bool(variables.get("jupyter_resource_usage")),
    )
    return parse({"dependencies": made_of}, {}, tuple(variables.get("jupyter_channels", ["conda-forge"])))


def _lock(variables: Mapping[str, t.Any]) -> Path | None:
    return Path(variables["jupyter_lock"]) if variables.get("jupyter_lock") else None
