#!/usr/bin/python
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All people of a host at once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: accounts
short_description: Give people their accounts, keys and sudo rules, and take them from leavers
version_added: 0.1.0
description:
  - Takes the whole list of people at once. Reads the host's files, compares, and starts programs only for what differs.
  - An account is used with keys. Without a password hash its password field is V(*), which fits no password, and which does
    not count as locked.
  - Nothing is changed if the data has no administrator with a key, a key that is not accepted, or a name twice.
  - Accepted keys are ed25519, security keys (V(sk-*)) and RSA with at least 3072 bits. An option that sshd would not
    understand is an error, since sshd ignores such keys.
  - A key that has expired, that runs one command only, or that does not open from where the operator is, is no key of an
    administrator in that sense.
  - Accounts that the data does not name are left alone. Leavers are named with V(state=absent) until no host knows them.
  - Leavers go first. What people have in their homes cannot stop the others from being served. Whatever is there in place of a
    file of keys (a folder, a link, a pipe, a file without end) is put aside, never followed and never removed, and told in a
    warning.
  - What cannot be done for one person or project makes the module fail when everything else has been done.
author:
  - openlab.research_server maintainers (@openlab)
options:
  administrators:
    description: People who may use sudo for everything.
    type: list
    elements: dict
    required: true
    suboptions: &person
      name:
        description: Login name.
        type: str
        required: true
      state:
        description:
          - V(present) creates or corrects the account.
          - V(absent) removes its keys, locks and expires it, takes it out of O(login_group) and the groups of O(projects),
            removes its jobs of cron and at, stops its services and ends its sessions. O(researchers[].home) says what becomes
            of the home.
        type: str
        choices: [present, absent]
        default: present
      keys:
        description:
          - Public keys, each as the line of a C(.pub) file; options as in C(sshd(8\)) may stand in front.
          - Or each as a dictionary with C(key), that line, C(options), a list such as V([restrict, 'from="192.0.2.0/24"']), and
            C(expires), the first day on which the key opens nothing, as V(2027-09-30) in the host's time zone.
        type: list
        elements: raw
        default: []
      expires:
        version_added: 0.2.0
        description: First day on which nobody can log in to the account, as V(2027-09-30). Never if not given.
        type: str
      linger:
        version_added: 0.2.0
        description:
          - Whether the person's own services (C(systemctl --user)) start with the host and go on after the last logout.
          - Left as it is if not given.
        type: bool
      home:
        version_added: 0.2.0
        description:
          - What becomes of the home with O(researchers[].state=absent). V(kept) leaves it where it is.
          - V(archived) packs it into a file in O(archive_dir) and removes it when the file is safely on the disk.
        type: str
        choices: [kept, archived]
        default: kept
      setuid:
        version_added: 0.2.0
        description:
          - What becomes of files with a set-user-ID or set-group-ID bit that belong to somebody with
            O(researchers[].state=absent). Whoever starts them, they run as the leaver.
          - V(told) looks for them when the account is being locked, and names them in RV(notices). V(removed) looks for them in
            each run, and takes the bits away; the files stay.
          - Only local file systems are searched, for at most a minute.
        type: str
        choices: [told, removed]
        default: told
      uid:
        description:
          - Numeric id, which no other account has, between C(UID_MIN) and C(UID_MAX) of C(/etc/login.defs). Left to the host if
            not given. An existing account's id is never changed.
        type: int
      comment:
        description: Full name or the like. Left as it is if not given.
        type: str
      shell:
        description: Login shell. It has to be installed; C(/usr/sbin/nologin) is only for those who are not to get in.
        type: path
        default: /bin/bash
      groups:
        description: Groups besides O(login_group). They are created if they do not exist. The account stays in its other groups.
        type: list
        elements: str
        default: []
      password:
        description:
          - Hash as in C(crypt(5\)), needed by C(sudo) where it asks for a password. sshd accepts no password.
          - Left as it is if not given, but an empty password is replaced by V(*).
        type: str
      sudo_nopasswd:
        description: Whether C(sudo) asks an administrator for no password. Has no meaning for researchers.
        type: bool
        default: false
  researchers:
    description: People without administrative rights.
    type: list
    elements: dict
    default: []
    suboptions: *person
  projects:
    version_added: 0.2.0
    description:
      - Folders that people share. Each belongs to root and to the group of the project, with the set-group-ID bit and a default
        ACL, so that what one member makes all others can read and write whatever the umask is.
      - The group has exactly those members that the data names. What is in the folder already is left alone.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the project.
        type: str
        required: true
      path:
        description: The folder. By default V(/srv/projects/NAME).
        type: path
      group:
        description:
          - The group, by default named as the project. It is created if it does not exist. Projects with one group have the same
            members.
        type: str
      members:
        description: Names of people who are present. Whose O(researchers[].groups) name the group are members too.
        type: list
        elements: str
        default: []
      mode:
        description: Mode of the folder. V('2775') lets everyone on the host read.
        type: str
        default: "2770"
      acl:
        description: Whether the folder has a default ACL. Not all network file systems know them.
        type: bool
        default: true
  login_group:
    description: Group of all people who may log in over SSH.
    type: str
    default: ssh-users
  exclusive_keys:
    description:
      - Whether keys that the data does not name are removed from the accounts that it names. The files in
        C(/etc/ssh/authorized_keys.d) have the keys of the data and no others in any case.
    type: bool
    default: true
  keys_in:
    version_added: 0.2.0
    description:
      - Where the keys are. V(system) keeps them in C(/etc/ssh/authorized_keys.d/NAME), which are root's, so that people cannot
        add any; this needs C(AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u) in C(sshd_config(5\)). V(home) keeps them in
        C(~/.ssh/authorized_keys).
      - As long as C(sshd -T) names the other place (too), the keys are kept right there as well.
      - With V(system), C(~/.ssh/authorized_keys) of a new account is root's and only says where the keys are. Once sshd does not
        read homes, they are not looked at.
    type: str
    choices: [home, system]
    default: system
  archive_dir:
    version_added: 0.2.0
    description: Folder of the archived homes. Only root can look into it.
    type: path
    default: /var/backups/research-server
  expiry_notice_days:
    version_added: 0.2.0
    description: Days before a key or an account expires from which on that is reported.
    type: int
    default: 30
attributes:
  check_mode:
    description: Tells what would change.
    support: full
  diff_mode:
    description: Shows everything but password hashes.
    support: full
requirements:
  - C(useradd), C(usermod), C(groupadd), C(chpasswd), C(visudo), systemd, and GNU tar for archives, on the managed host; root.
"""

EXAMPLES = r"""
- name: Give accounts
  openlab.research_server.accounts:
    administrators:
      - name: ops
        keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI... ops@lab"]
        sudo_nopasswd: true
    researchers:
      - name: alice
        keys: ["sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAI... alice@token"]
        linger: true
      - name: carol
        expires: 2027-03-31
        keys:
          - key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI... carol@guest
            options: [restrict, pty, 'from="192.0.2.0/24"']
            expires: 2027-01-31
      - name: bob
        state: absent
        home: archived
    projects:
      - name: imaging
        members: [alice, carol]
"""

RETURN = r"""
changes:
  description: What was done or, in check mode, what would be done.
  returned: success
  type: list
  elements: str
  sample: ["alice: create", "alice: system_keys"]
failures:
  description: What could not be done for one person or project, one sentence for each. The module has failed then.
  returned: when the accounts were looked at
  type: list
  elements: str
  sample: ["project 'imaging': found a link or a file at /srv/projects/imaging; expected a folder or nothing"]
notices:
  description:
    - One sentence for each key and account that expires within O(expiry_notice_days), or has expired; for each thing that was put
      aside; for the set-user-ID files of a leaver; and for the programs and set-group-ID files of somebody who is taken out of a
      group, which keep its rights; and the archive of a home. They are warnings of the task too.
  returned: success
  type: list
  elements: str
  sample: ["account 'carol': key SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU (carol@guest) expires on 2027-01-31"]
"""

import contextlib
import grp
import pwd
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._accounts import former_members, leavers, setuid_files
from ..module_utils._accounts import keys as account_keys
from ..module_utils._accounts import people as account_people
from ..module_utils._accounts import projects as account_projects
from ..module_utils._accounts.applying import SUDOERS_MODE, Applier
from ..module_utils._accounts.entries import everyone, project
from ..module_utils._accounts.people import Actual, Change, Desired, Operator
from ..module_utils._accounts.reading import (
    group_exists,
    read_accounts,
    read_machine,
    read_projects,
    read_rules,
    read_system_keys,
)
from ..module_utils._host import mounts, rights
from ..module_utils._host.difference import Difference, difference
from ..module_utils._host.files import read_file
from ..module_utils._host.module import Module, guarded, run_module
from ..module_utils._host.refused import RefusedError
from ..module_utils._host.session import current_session
from ..module_utils._text.escapes import in_one_line

SUDOERS = "/etc/sudoers.d/research-server"
TEXT_SHOWN = 20_000  # characters of a file in a difference; people may have written a megabyte


class Plan(t.NamedTuple):
    """What is to be done, in this order."""

    going: list[Change]
    """The access of those who leave."""
    groups: list[str]
    coming: list[Change]
    rules: str
    """The text of the sudoers file."""
    remains: list[Change]
    """The homes of those who have left: that takes time, and may fail."""


def run(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    projects = [project(item) for item in params["projects"]]
    people = everyone(params["administrators"], params["researchers"], projects)
    login_group = params["login_group"]
    session, now = current_session(), time.time()
    wrong = account_people.problems(people, login_group, now=now, address=session.client_address if session else None)
    wrong += account_projects.problems(projects, people, login_group)
    refuse(wrong)
    rules = read_rules(module)
    actual, folders, system = read_accounts(people, rules), read_projects(projects), read_system_keys(people)
    operator = Operator(pwd.getpwuid(session.uid).pw_name, session.client_address) if session else None
    wrong = account_people.conflicts(people, actual, operator, read_machine(people, SUDOERS), rules=rules, now=now)
    wrong += account_projects.conflicts(projects, people, folders)
    refuse(wrong)

    named = {*account_people.groups_of(people, login_group), *(entry.group for entry in projects)}
    changes = account_people.plan(people, actual, system, login_group=login_group, rules=rules)
    present = {account.name for account in people if account.present}
    plan = Plan(
        going=[change for change in changes if change.name not in present and change.action != "archive"],
        groups=[name for name in sorted(named) if not group_exists(name)],
        coming=[change for change in changes if change.name in present] + account_projects.plan(projects, people, folders),
        rules=account_people.sudoers(people),
        remains=[change for change in changes if change.action == "archive"],
    )
    applier = Applier(module, people)
    applier.failures += account_people.obstacles(people, actual, system, rules) + account_projects.obstacles(projects, folders)
    notices = [notice.sentence for notice in account_people.notices(people, now=now, days=params["expiry_notice_days"])]
    notices += account_people.oddities(people, actual, system, rules)

    result = carry_out(applier, plan, SUDOERS)
    for account in people:
        uid = searched(account, actual.get(account.name), plan.going)
        if uid is not None:
            notices += end_setuid(applier, account, uid, result)
    notices += former_members_told(applier, plan.coming)
    notices += [f"account '{name}': the home becomes the archive {path}" for name, path in applier.archives.items()]
    for sentence in notices:
        module.warn(sentence)
    result.update(changed=bool(result["changes"]), notices=notices, failures=applier.failures)
    if applier.failures:
        rest = "Everything else can be done." if module.check_mode else "Everything else has been done."
        module.fail_json(msg=f"accounts: {'; '.join(applier.failures)}. {rest}", **result)
    return result


def refuse(wrong: t.Sequence[str]) -> None:
    if wrong:
        raise RefusedError("; ".join(wrong) + ". Nothing has been changed.")


def carry_out(applier: Applier, plan: Plan, path: str) -> dict[str, t.Any]:
    """Do it, or say in check mode what would be done."""
    before, wrong = read_file(path), rights.faults({path: SUDOERS_MODE})
    new_rules = plan.rules != before or bool(wrong)
    made, written = plan.groups, new_rules
    if applier.module.check_mode:
        done = [*plan.going, *plan.coming, *plan.remains]
        for change in plan.remains:
            with applier.noting(f"account '{change.name}': "):
                applier.foresee_archive(change.name)
    else:
        done = applier.apply(plan.going)
        made = [name for name in plan.groups if applier.succeeds(f"group '{name}': ", applier.create_group, name)]
        done += applier.apply(plan.coming)
        written = new_rules and applier.succeeds(f"{path}: ", write_rules, applier, path, plan.rules, wrong)
        done += applier.apply(plan.remains)
    done = [applier.with_place(change) for change in done]
    sudoers = ([difference(path, before, plan.rules)] if plan.rules != before else []) + rights.differences(wrong)
    return {
        "changes": [f"group {name}: create" for name in made]
        + [f"{change.name}: {change.action}" for change in done]
        + ([f"{path}: write"] if written else []),
        "diff": differences(made, done) + (sudoers if written else []),
    }


def write_rules(applier: Applier, path: str, text: str, wrong: t.Sequence[rights.Fault]) -> None:
    rights.mend(wrong)
    applier.write_sudoers(path, text)


def searched(account: Desired, existing: Actual | None, going: t.Sequence[Change]) -> int | None:
    """The uid of somebody whose set-user-ID files are looked for: who is being locked, and who is asked for."""
    if account.present or existing is None:
        return None
    locked = any((change.name, change.action) == (account.name, "lock") for change in going)
    return existing.uid if locked or account.setuid_removed else None


def end_setuid(applier: Applier, account: Desired, uid: int, result: dict[str, t.Any]) -> list[str]:
    """Returns what is to be told."""
    roots = mounts.search_roots(mounts.table())
    with applier.noting(f"account '{account.name}': "):
        found = setuid_files.search(roots, uid)
        if found.paths and account.setuid_removed:
            result["changes"].append(f"{account.name}: setuid")
            listing = "".join(f"{in_one_line(path)}\n" for path in found.paths)
            header = f"set-user-ID and set-group-ID files of {account.name}"
            result["diff"].append(difference(header, listing, ""))
            failed = [] if applier.module.check_mode else setuid_files.clear(found.paths, uid)
            if failed:
                raise RefusedError(f"found no way to take the set-user-ID bits from {', '.join(map(in_one_line, failed))}")
        if found.paths or not found.complete:
            notice = leavers.setuid_notice(account.name, found.paths, complete=found.complete, removed=account.setuid_removed)
            return [notice]
    return []


def former_members_told(applier: Applier, changes: t.Iterable[Change]) -> list[str]:
    """Of those who stay, and are taken out of a group by this run."""
    notices: list[str] = []
    for change in changes:
        if change.action == "leave":
            with contextlib.suppress(KeyError), applier.noting(f"account '{change.name}': "):
                uid, gid = pwd.getpwnam(change.name).pw_uid, grp.getgrnam(change.value).gr_gid
                roots = mounts.search_roots(mounts.table())
                notices += former_members.told(change.name, change.value, uid, gid, roots)
    return notices


def differences(groups: t.Sequence[str], changes: t.Sequence[Change]) -> list[Difference]:
    before, after = "", "".join(f"group {name}\n" for name in groups)
    files = []
    for change in changes:
        if change.action.endswith("_keys"):
            path = "/".join(("~" + change.name, *account_keys.HOME_PARTS))
            header = path if change.action.endswith("home_keys") else account_keys.system_file(change.name)
            files.append(difference(header, lines(change.before), lines(change.after)))
            continue
        before += f"{change.name}: {change.before}\n" if change.before else ""
        after += f"{change.name}: {change.after}\n" if change.after else ""
    return ([difference("accounts", before, after)] if before or after else []) + files


def lines(text: str) -> str:
    """A file that people may have written, for a terminal."""
    cut = text[:TEXT_SHOWN] + (f"\n... {len(text) - TEXT_SHOWN} more characters\n" if len(text) > TEXT_SHOWN else "")
    return "\n".join(in_one_line(line) for line in cut.split("\n"))


@guarded
def main() -> None:
    person: dict[str, t.Any] = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "keys": {"type": "list", "elements": "raw", "default": [], "no_log": False},
        "expires": {"type": "str"},
        "linger": {"type": "bool"},
        "home": {"type": "str", "choices": ["kept", "archived"], "default": "kept"},
        "setuid": {"type": "str", "choices": ["told", "removed"], "default": "told"},
        "uid": {"type": "int"},
        "comment": {"type": "str"},
        "shell": {"type": "path", "default": "/bin/bash"},
        "groups": {"type": "list", "elements": "str", "default": []},
        "password": {"type": "str", "no_log": True},
        "sudo_nopasswd": {"type": "bool", "default": False},
    }
    shared: dict[str, t.Any] = {
        "name": {"type": "str", "required": True},
        "path": {"type": "path"},
        "group": {"type": "str"},
        "members": {"type": "list", "elements": "str", "default": []},
        "mode": {"type": "str", "default": account_projects.MODE},
        "acl": {"type": "bool", "default": True},
    }
    module = Module(
        argument_spec={
            "administrators": {"type": "list", "elements": "dict", "required": True, "options": person},
            "researchers": {"type": "list", "elements": "dict", "default": [], "options": person},
            "projects": {"type": "list", "elements": "dict", "default": [], "options": shared},
            "login_group": {"type": "str", "default": "ssh-users"},
            "exclusive_keys": {"type": "bool", "default": True, "no_log": False},
            "keys_in": {"type": "str", "choices": ["home", "system"], "default": "system", "no_log": False},
            "archive_dir": {"type": "path", "default": "/var/backups/research-server"},
            "expiry_notice_days": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    run_module(module, run, name="accounts", root=True)


if __name__ == "__main__":
    main()
