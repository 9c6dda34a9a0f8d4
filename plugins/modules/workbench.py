# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people work with on a host, beside conda and JupyterLab: all of it in one task."""

from __future__ import annotations

DOCUMENTATION = r"""
module: workbench
short_description: Look after what people work with on a host
version_added: 0.2.0
description:
  - Tells which packages are missing, and does nothing else then. The caller installs them, and calls the module again.
  - Keeps files of its own, git's settings for everybody, and who may have services that go on after the logout.
  - What others have written into C(/etc/gitconfig) and C(/etc/gitattributes) stays as it is.
author:
  - openlab.research_server maintainers (@openlab)
options:
  packages:
    description: Names of packages.
    type: list
    elements: str
    default: []
  gpu_packages:
    description:
      - Names of packages for hosts that have an NVIDIA GPU on the PCI bus.
      - Those that no source of apt offers are left out, with a warning.
    type: list
    elements: str
    default: []
  sysfs_root:
    description: Where sysfs is mounted. Another folder is of use for tests with a recorded PCI bus.
    type: path
    default: /sys
  files:
    description: Files that belong to root. Each is replaced in one step if it differs, and compared with owner and mode.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path. Folders on the way to it are made.
        type: path
        required: true
      content:
        description: The text of the file. No file, if it is empty.
        type: str
        required: true
      mode:
        description: Permissions in octal digits.
        type: str
        default: "0644"
      reload:
        description: A unit that is told to read the file (SIGHUP) when it has changed.
        type: str
        default: ""
  git_config:
    description: Keys of C(/etc/gitconfig) and their values, see C(git-config(1\)). Each shall be there once.
    type: dict
    default: {}
  git_attributes:
    description: Lines of C(/etc/gitattributes), see C(gitattributes(5\)). They are put at the top, so that those of a lab win.
    type: list
    elements: str
    default: []
  git_state:
    description: Whether O(git_config) and O(git_attributes) shall be there, or shall not.
    type: str
    choices: [present, absent]
    default: present
  linger:
    description:
      - Login names of people whose services (C(systemctl --user)) start with the host and go on after the last logout.
      - Who is taken off the list loses it. Who has it by other means keeps it.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Tells what would change. An account that is not there yet is no error then.
    support: full
  diff_mode:
    description: Shows the files, and one line for each setting, package and person.
    support: full
requirements:
  - git 2.11 or newer for O(git_config), systemd 249 or newer; root.
"""

EXAMPLES = r"""
- name: Let ada's services go on after her logout, and greet everybody
  openlab.research_server.workbench:
    packages: [git, tmux]
    linger: [ada]
    files:
      - {path: /etc/motd.d/research-server, content: "Long jobs: lab-run\n"}
"""

RETURN = r"""
missing:
  description: Packages that have to be installed first; nothing was done if there are any.
  returned: success
  type: list
  elements: str
"""

import os
import pwd
import re
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._accounts.leavers import LINGER
from ..module_utils._host import dpkg, packages, rights
from ..module_utils._host.difference import Difference, difference
from ..module_utils._host.files import put_file, read_file
from ..module_utils._host.module import Module, guarded, run_module
from ..module_utils._host.numbers import FIRST_PERSON, NOBODY
from ..module_utils._host.runner import RefusedError, Runner
from ..module_utils._nvidia import pci
from ..module_utils._workbench import git, lingering

# Of which a lab may have lines of its own; a link there is its own business, too.
SHARED = (git.CONFIG, git.ATTRIBUTES)
# Of `apt-cache policy`.
CANDIDATE = re.compile(r"^(\S+):\n  Installed: .*\n  Candidate: (?!\(none\))", re.MULTILINE)


class File(t.NamedTuple):
    text: str
    mode: int = 0o644
    reload: str = ""


class Host(Runner):
    """What the module asks the host, and tells it."""

    def offered(self, packages: list[str]) -> list[str]:
        """Those that can be had; on a host without apt all of them."""
        rc, out, _err = self.attempt("apt-cache", "policy", *packages) if os.path.exists(dpkg.STATUS) else (1, "", "")
        return [name for name in packages if name in CANDIDATE.findall(out)] if rc == 0 else packages

    def git_changes(
        self, wanted: Mapping[str, str], present: bool, installed: bool
    ) -> tuple[dict[str, list[str]], dict[str, str | None], list[str]]:
        """What is set now, what is to be set otherwise, and what is wrong. No other part has to wait for what is wrong here."""
        listing = ("git", "config", "--file", git.CONFIG, "--no-includes", "--list", "-z")
        try:
            found = git.parse(self.run(*listing)) if installed and os.path.exists(git.CONFIG) else {}
        except RefusedError as error:
            return {}, {}, [f"{error}. Correct {git.CONFIG}, then run again"]
        return found, git.changes(found, wanted, present), []

    def set_git(self, key: str, value: str | None) -> None:
        what = ["--unset-all", key] if value is None else ["--replace-all", key, value]
        self.run("git", "config", "--file", git.CONFIG, *what)

    def change(self, files: Mapping[str, File], settings: Mapping[str, str | None]) -> None:
        for path, file in files.items():
            self.write(path, file)
        for unit in sorted({file.reload for file in files.values()} - {""}):
            self.run("systemctl", "kill", "--signal=HUP", unit)
        for key, value in settings.items():
            self.set_git(key, value)

    def linger(self, people: lingering.Plan) -> dict[str, str]:
        """Returns for whom it could not be done, and why."""
        problems = {}
        for verb, names in people._asdict().items():
            for name in names:
                rc, _out, errors = self.attempt("loginctl", f"{verb}-linger", name)
                problems.update({name: errors.strip()} if rc else {})
        return problems

    @staticmethod
    def write(path: str, file: File) -> None:
        if not file.text:
            os.unlink(path)
            return
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        put_file(*os.path.split(path), file.text, file.mode)


def has_gpu(sysfs: Path) -> bool:
    """Whether one of NVIDIA's is on the PCI bus."""
    for device in sysfs.glob("bus/pci/devices/*"):
        attributes = {name: read_file(str(device / name)) or "0" for name in ("vendor", "class")}
        if pci.is_gpu(attributes):
            return True
    return False


def missing_packages(module: AnsibleModule, host: Host) -> list[str]:
    missing = packages.missing(host, module.params["packages"])
    more = packages.missing(host, module.params["gpu_packages"]) if has_gpu(Path(module.params["sysfs_root"])) else []
    # Only a host that lacks one is asked.
    offered = host.offered(more) if more else []
    if unknown := sorted(set(more) - set(offered)):
        module.warn(
            f"workbench_gpu_packages: found no {', no '.join(unknown)} in the package lists of apt; left out; expected a source "
            "that has it, which on Debian is the component contrib (role nvidia); or take it out of the list"
        )
    return missing + offered


def obstacle(name: str, check_mode: bool) -> str:
    """Why this account cannot have lingering; empty if it can."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        # The role accounts may be about to create it.
        expected = "found no account on this host; expected one; create it (role accounts), or take the name out of the list"
        return "" if check_mode else expected
    if found.pw_uid < FIRST_PERSON or found.pw_uid in NOBODY:
        return f"found the uid {found.pw_uid}; expected a person's own account; take the name out of the list"
    return ""


def files_of(params: Mapping[str, t.Any], lingers: t.Collection[str]) -> dict[str, File]:
    """What shall be where. No text: no file."""
    given = {file["path"]: File(file["content"], int(file["mode"], 8), file["reload"]) for file in params["files"]}
    attributes = git.with_lines(read_file(git.ATTRIBUTES) or "", params["git_attributes"], params["git_state"] == "present")
    return {**given, git.ATTRIBUTES: File(attributes), lingering.RECORD: File(lingering.render(lingers))}


def differs(path: str, file: File) -> bool:
    return (read_file(path) or "") != file.text or (path not in SHARED and os.path.islink(path))


def faults(files: Mapping[str, File]) -> list[rights.Fault]:
    """Who else could change them; and whether everybody's git can read what it reads."""
    modes = {path: file.mode for path, file in files.items() if file.text}
    return rights.faults({**modes, **{path: 0o644 for path in SHARED if not os.path.islink(path)}})


def told(name: str, before: Mapping[str, str], after: Mapping[str, str | None]) -> list[Difference]:
    """One line for each setting."""
    texts = ["".join(f"{key} = {value}\n" for key, value in side.items() if value is not None) for side in (before, after)]
    return [difference(name, *texts)] if before or after else []


def switched(people: lingering.Plan) -> list[Difference]:
    on, off = dict.fromkeys(people.enable, "on"), dict.fromkeys(people.disable, "off")
    return told("lingering", {**dict.fromkeys(on, "off"), **dict.fromkeys(off, "on")}, {**on, **off})


def run(module: AnsibleModule) -> dict[str, t.Any]:
    params, host, check_mode = module.params, Host(module), bool(module.check_mode)
    missing = missing_packages(module, host)
    if missing and not check_mode:
        return {"changed": False, "missing": missing}

    obstacles = {name: why for name in params["linger"] if (why := obstacle(name, check_mode))}
    lingers = set(params["linger"]) - set(obstacles)
    now = os.listdir(LINGER) if os.path.isdir(LINGER) else []
    people = lingering.plan(lingers, lingering.read(read_file(lingering.RECORD)), now)
    files = files_of(params, lingers)
    new = {path: file for path, file in sorted(files.items()) if differs(path, file)}
    wrong = faults(files)
    found, settings, problems = host.git_changes(params["git_config"], params["git_state"] == "present", "git" not in missing)
    diff = [
        *told("packages", {}, dict.fromkeys(missing, "installed")),
        *(difference(path, read_file(path), file.text) for path, file in new.items()),
        *rights.differences(wrong),
        *told(git.CONFIG, {key: ", ".join(found[key]) for key in settings if key in found}, settings),
        *switched(people),
    ]
    if not check_mode:
        rights.mend(wrong)
        # Before the record of who has it, and before all that may fail: the next run knows of it by the record alone.
        failed = host.linger(people)
        obstacles |= failed
        if still := set(failed).intersection(people.disable):
            new[lingering.RECORD] = File(lingering.render(lingers | still))
        host.change(new, settings)
    problems += [f"workbench_linger: {name}: {why}" for name, why in obstacles.items()]
    result = {"changed": bool(diff), "missing": missing, "diff": diff}
    if problems:
        module.fail_json(msg="\n".join(problems), **result)
    return result


@guarded
def main() -> None:
    module = Module(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "default": []},
            "gpu_packages": {"type": "list", "elements": "str", "default": []},
            "sysfs_root": {"type": "path", "default": "/sys"},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str", "required": True},
                    "mode": {"type": "str", "default": "0644"},
                    "reload": {"type": "str", "default": ""},
                },
            },
            "git_config": {"type": "dict", "default": {}},
            "git_attributes": {"type": "list", "elements": "str", "default": []},
            "git_state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "linger": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    run_module(module, run, name="workbench", root=True)


if __name__ == "__main__":
    main()
