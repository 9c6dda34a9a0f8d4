# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write an ssh_config and a known_hosts file for every person, on the controller."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils._host.difference import difference
from ..plugin_utils._files import read_text, replace
from ..plugin_utils._guarded import guarded
from ..plugin_utils._jupyter.port import port_of
from ..plugin_utils._login.client_config import (
    Server,
    is_ours,
    known_hosts,
    outdated,
    problems,
    reachable,
    short_names,
    ssh_config,
)
from ..plugin_utils._people import groups_of, with_account
from ..plugin_utils._role_variables import RoleVariables

READ = ("accounts", "sshd", "jupyter")
FILES = ("ssh_config", "known_hosts")
FILE_MODE = 0o600
FOLDER_MODE = 0o700


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    @guarded
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        super().run(tmp, variables)
        _unused, arguments = self.validate_argument_spec(
            argument_spec={
                "directory": {"type": "path", "required": True},
                "folder": {"type": "str", "default": "research-servers"},
                "servers": {"type": "dict", "required": True},
                "accounts": {"type": "dict", "default": {}},
            }
        )
        servers = self._servers(arguments["servers"], arguments["accounts"], variables["hostvars"])
        place = Path(arguments["directory"]).expanduser()
        wrong = problems(servers)
        if wrong:
            raise AnsibleActionFail("\n".join(["client_config: nothing has been written:", *(f"  - {line}" for line in wrong)]))
        files: dict[Path, str] = {}
        warnings = outdated(servers)
        for person in sorted({name for server in servers for name in server.people}):
            own, lost = reachable(person, servers)
            warnings += lost
            if own:
                folder = place / person
                files[folder / FILES[0]] = ssh_config(person, own, arguments["folder"])
                files[folder / FILES[1]] = known_hosts(own, time.time())
        different = {path: text for path, text in files.items() if read_text(path) != text or not private(path)}
        for path, text in different.items():
            if path.name == FILES[0]:
                check(text, [server.alias for server in servers if path.parent.name in server.people])
        diff = [difference(str(path), read_text(path), text) for path, text in different.items()]
        # Also of a server that this run leaves out.
        folders = made(place)
        everybody = self._everybody(variables["hostvars"]) if folders else set()
        left = [folder for folder in folders if folder.name not in everybody]
        gone = [path for folder in left for path in (folder / name for name in FILES) if path.exists()]
        diff += [difference(str(path), read_text(path), None) for path in gone]
        if not self._task.check_mode:
            for path, text in different.items():
                write(path, text)
            for folder in left:
                remove(folder)
        return {
            "changed": bool(different or left),
            "people": sorted({path.parent.name for path in files}),
            "left": [folder.name for folder in left],
            "files": [str(path) for path in different],
            "diff": diff,
            "warnings": warnings,
        }

    def _everybody(self, hostvars: t.Any) -> set[str]:
        return {person for name in hostvars for person in with_account(self._reader(name, hostvars))}

    def _servers(self, told: Mapping[str, Mapping[str, t.Any]], accounts: Mapping[str, t.Any], hostvars: t.Any) -> list[Server]:
        alias = short_names(told)
        servers = [self._server(name, alias[name], told[name], hostvars) for name in told]
        return [
            server._replace(accounts=frozenset(map(str, accounts[server.name]))) if server.name in accounts else server
            for server in servers
        ]

    def _server(self, name: str, alias: str, told: Mapping[str, t.Any], hostvars: t.Any) -> Server:
        """What a host's variables say, with the defaults of the roles that it has."""
        value = self._reader(name, hostvars)
        groups = value("group_names")
        bastions = value("groups").get("bastion", [])
        accounts = groups_of(value)
        door = name in bastions
        jump = value("client_config_jump_host")
        served = [person for person in value("jupyter_users") or [] if person in accounts] if "jupyter" in groups else []
        return Server(
            name=name,
            alias=str(value("client_config_alias") or alias),
            hostname=str(value("client_config_hostname") or value("ansible_host") or name),
            port=int(value("ansible_port") or told["ports"][0]),
            host_keys=[str(line) for line in told["host_keys"]],
            host_certificates=[str(line) for line in told["host_certificates"]],
            jump=str((bastions[0] if bastions and not door else "") if jump is None else jump),
            people=accounts,
            jump_groups=frozenset(value("sshd_jump_groups")) if door else None,
            shell_accounts=frozenset(value("sshd_shell_accounts")),
            agent_groups=frozenset(value("sshd_agent_forwarding_groups")),
            jupyter={person: port_of(person, value("jupyter_ports")) for person in served},
            jupyter_sockets=value("jupyter_listen") == "socket",
            leads_to=permitted(told) if door else None,
        )

    def _reader(self, name: str, hostvars: t.Any) -> t.Callable[[str], t.Any]:
        return RoleVariables(self._templar, READ, {**hostvars.raw_get(name), "hostvars": hostvars}).value


def permitted(told: Mapping[str, t.Any]) -> frozenset[str] | None:
    """The words of PermitOpen, as ``sshd -T`` prints them; None where everything is permitted."""
    words = frozenset(" ".join(map(str, told.get("settings", {}).get("permitopen", ["any"]))).split())
    return None if "any" in words else words


def check(text: str, aliases: list[str]) -> None:
    """Let the real client read it."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        for alias in aliases:
            command = ["ssh", "-F", file.name, "-G", alias]
            done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30)
            if done.returncode != 0:
                raise AnsibleActionFail(
                    f"client_config: the ssh client does not read the entry of {alias}: {done.stderr.strip()}"
                )


def private(path: Path) -> bool:
    """Whether nobody but the owner may read or write the file and its folder, as ssh demands."""
    return path.stat().st_mode & 0o777 == FILE_MODE and path.parent.stat().st_mode & 0o777 == FOLDER_MODE


def made(directory: Path) -> list[Path]:
    """The folders that this action has made."""
    found = sorted(directory.glob(f"*/{FILES[0]}"))
    return [path.parent for path in found if path.is_file() and is_ours(path.parent.name, read_text(path) or "")]


def remove(folder: Path) -> None:
    """What was made goes; what else somebody keeps there stays, and the folder with it."""
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(FOLDER_MODE)
    replace(path, text, FILE_MODE)
