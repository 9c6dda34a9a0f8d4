# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write, on the controller, what makes a cluster to people what a server is: values of a chart, and the context of an image."""

from __future__ import annotations

import datetime
import hashlib
import json
import typing as t
from collections.abc import Mapping
from pathlib import Path

import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils._conda.channels import platform_of
from ..module_utils._conda.errors import CondaEnvError
from ..module_utils._conda.lock import RENEW
from ..module_utils._conda.lock_policy import unusable
from ..module_utils._conda.specification import Settings, Specification
from ..module_utils._host.difference import difference
from ..module_utils._host.source import source
from ..module_utils._jupyter import launch
from ..plugin_utils._collection import collection_version
from ..plugin_utils._conda.lock_file import lock_files, read
from ..plugin_utils._files import read_text, replace
from ..plugin_utils._guarded import guarded
from ..plugin_utils._kubernetes import image, values
from ..plugin_utils._preflight import conda_envs, jupyter
from ..plugin_utils._role_variables import RoleVariables

READ = ("accounts", "miniconda", "conda_envs", "jupyter", "jupyterhub")
VALUES = "values.yml"
IMAGE = "image"
HEADER = f"""\
# Values of the chart jupyterhub {values.CHART} of Zero to JupyterHub, written by openlab.research_server.kubernetes_values.
# Change the inventory, and run it again. No secret is in it.
"""
SPEC: dict[str, dict[str, t.Any]] = {
    "directory": {"type": "path", "required": True},
    "server": {"type": "str", "required": True},
    "environment": {"type": "str"},
    "architecture": {"type": "str", "default": "x86_64"},
    "host": {"type": "str", "required": True},
    "image": {"type": "str", "required": True},
    "base_image": {"type": "str", "default": "debian:13-slim"},
    "base_packages": {"type": "list", "elements": "str", "default": ["ca-certificates", "curl", "git", "tini"]},
    "https": {"type": "str", "choices": ["letsencrypt", "secret", "offload"], "default": "letsencrypt"},
    "contact_email": {"type": "str", "default": ""},
    "tls_secret": {"type": "str", "default": ""},
    "client_secret_name": {"type": "str", "default": "oauth", "no_log": False},
    "client_secret_key": {"type": "str", "default": "client-secret", "no_log": False},
    "storage_class": {"type": "str", "default": ""},
    "storage_capacity": {"type": "str", "default": "10Gi"},
    "memory_guarantee": {"type": "str", "default": "1G"},
    "cpu_guarantee": {"type": "float", "default": 0.5},
    "gpu_resource": {"type": "str", "default": "nvidia.com/gpu"},
}
LIMITED = (*jupyter.LIMITS, "jupyter_gpus", "jupyter_group_limits", "jupyter_user_limits")
# What the action makes of its own; the rest of a wish has the name of its option.
_MADE = ("tag", "command", "today", "client_secret")


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    @guarded
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        super().run(tmp, variables)
        _unused, asked = self.validate_argument_spec(argument_spec=SPEC)
        hostvars = variables["hostvars"]
        if asked["server"] not in hostvars:
            raise AnsibleActionFail(f"kubernetes_values: server: found '{asked['server']}'; expected a host of the inventory")
        value = self._reader(asked["server"], asked["architecture"], hostvars)
        try:
            tools, framework, project = parts(asked, value)
            files = image.context(tools, framework, project, source(launch))
        except CondaEnvError as error:
            raise AnsibleActionFail(error.message(asked["environment"] or "?")) from None
        wish = values.Wish(
            tag=image.tag(files),
            command=image.command(tools),
            today=datetime.datetime.now(tz=datetime.timezone.utc).astimezone().date(),
            client_secret=(asked["client_secret_name"], asked["client_secret_key"]),
            **{name: asked[name] for name in values.Wish._fields if name not in _MADE},
        )
        try:
            wrong = values.problems(value, wish) + jupyter.limits(
                {name: given for name in LIMITED if (given := value(name)) is not None}
            )
            made, notices = ({}, []) if wrong else values.values(value, wish)
        except ValueError as error:
            wrong = [f"{error}; expected dates and limits as the roles accounts and jupyter take them"]
        if wrong:
            raise AnsibleActionFail(
                "\n".join(["kubernetes_values: nothing has been written:", *(f"  - {line}" for line in wrong)])
            )
        others = [str(item["name"]) for item in environments(value) if str(item["name"]) != project.name]
        if others:
            notices.append(f"conda_envs_environments: an image holds one environment; {', '.join(others)}: make an image of each")
        # Plain data: what Ansible has templated has types of its own.
        text = yaml.safe_dump(json.loads(json.dumps(made)), sort_keys=False, allow_unicode=True, width=120)
        place = Path(asked["directory"]).expanduser()
        wanted = {place / VALUES: HEADER + text, **{place / IMAGE / name: content for name, content in files.items()}}
        return {**self._write(place, wanted), "image": f"{wish.image}:{wish.tag}", "notices": notices}

    def _write(self, place: Path, wanted: Mapping[Path, str]) -> dict[str, t.Any]:
        """The build context holds nothing else, since all of it counts for the image."""
        paths = {*wanted, *(path for path in (place / IMAGE).rglob("*") if path.is_file())}
        there = {path: text for path in sorted(paths) if (text := read_text(path)) is not None}
        different = [path for path in wanted if there.get(path) != wanted[path]]
        left = [path for path in there if path not in wanted]
        if not self._task.check_mode:
            for path in different:
                path.parent.mkdir(parents=True, exist_ok=True)
                replace(path, wanted[path])
            for path in left:
                path.unlink()
        return {
            "changed": bool(different or left),
            "files": [str(path) for path in (*different, *left)],
            "diff": [difference(str(path), there.get(path), wanted.get(path)) for path in (*different, *left)],
        }

    def _reader(self, name: str, architecture: str, hostvars: t.Any) -> values.Reader:
        own = {**hostvars.raw_get(name), "hostvars": hostvars}
        facts = {**(own.get("ansible_facts") or {}), "architecture": architecture}
        return RoleVariables(self._templar, READ, {**own, "ansible_facts": facts}).value


def parts(asked: Mapping[str, t.Any], value: values.Reader) -> tuple[image.Tools, image.Environment, image.Environment]:
    """What the image is made of. Raises CondaEnvError with what is missing."""
    if not value("miniconda_checksum"):
        raise CondaEnvError(f"miniconda_checksum: found none for {value('miniconda_installer')}", "Give it, as for the servers.")
    tools = image.Tools(
        root=str(value("conda_envs_conda_root")),
        installer=f"{str(value('miniconda_base_url')).rstrip('/')}/{value('miniconda_installer')}",
        checksum=str(value("miniconda_checksum")),
        base=asked["base_image"],
        packages=tuple(asked["base_packages"]),
        version=collection_version(),
    )
    platform = platform_of(asked["architecture"])
    entry = chosen(asked["environment"], value)
    read_from = Variables(value)
    lock = lock_files(entry, str(value("conda_envs_dir")), asked["architecture"])[1]
    project = locked(
        str(entry["name"]), lock, conda_envs.read_specification(entry, read_from), settings("conda_envs", value), platform
    )
    own = jupyter.read_specification(read_from)
    framework = locked(image.FRAMEWORK, Path(str(value("jupyter_lock"))), own, settings("jupyter", value), platform)
    return tools, framework, project._replace(display_name=str(entry.get("display_name") or ""))


def environments(value: values.Reader) -> list[Mapping[str, t.Any]]:
    return [item for item in value("conda_envs_environments") or () if item.get("state", "present") == "present"]


def chosen(name: str | None, value: values.Reader) -> Mapping[str, t.Any]:
    """The environment of that name; without one, the only one."""
    there = environments(value)
    found = [item for item in there if name in (None, item["name"])]
    if len(found) != 1:
        names = ", ".join(str(item["name"]) for item in there) or "none"
        raise CondaEnvError(f"environment: found {name or 'no name'}; expected one of conda_envs_environments: {names}")
    return found[0]


def locked(
    name: str, path: Path | None, specification: Specification | None, asked: Settings, platform: str
) -> image.Environment:
    """An environment as its lock says. An image is never solved: two builds would be two images."""
    if path is None or not path.is_file():
        raise CondaEnvError(f"environment '{name}': there is no lock {path or ''}".rstrip(), f"{RENEW}.")
    lock = read(path)
    if why := unusable(specification, lock, asked, platform):
        raise CondaEnvError(f"environment '{name}': {path}: {why}", f"{RENEW}.")
    # Without what the file lends: that may have credentials.
    return image.Environment(name, lock.locked(None, asked), hashlib.sha256(path.read_bytes()).hexdigest())


def settings(role: str, value: values.Reader) -> Settings:
    """Where packages are, and what the digest of a lock counts."""
    return Settings(
        channel_alias=str(value(f"{role}_channel_alias") or ""),
        custom_channels=tuple(sorted((value(f"{role}_custom_channels") or {}).items())),
        default_channels=tuple(value("conda_envs_default_channels") or ()),
        channel_priority=str(value(f"{role}_channel_priority") or Settings.channel_priority),
    )


class Variables(Mapping[str, t.Any]):
    """Variables as a mapping, each evaluated when it is asked for: a secret that nobody asks for is not opened."""

    def __init__(self, value: values.Reader) -> None:
        self._value = value

    def __getitem__(self, name: str) -> t.Any:
        found = self._value(name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> t.Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
