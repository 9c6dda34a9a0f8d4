# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that give their rights to whoever starts them, and system files in other hands. Private to this collection.

Only what somebody gains by is told: a file that nobody but its owner can come to gives the owner's rights to nobody, such as the
layers of containers. What no one but root can enter is not looked into.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
import shlex
import stat
import struct
import typing as t
from collections.abc import Iterable, Iterator

from .._host import acl
from .._host.mounts import search_roots
from .._host.numbers import FIRST_PERSON
from .._text.escapes import in_one_line
from .declared import Declared
from .finding import Finding
from .host import Host, accounts, groups
from .host import names as names_of
from .owners import owners

TOPIC = "privileged files"
STATOVERRIDE = "/var/lib/dpkg/statoverride"
OVERRIDES = "/usr/share/lintian/overrides"
MOST = 500  # of one kind; more are told by one finding
# Everybody writes there. Where they are mounted nosuid the bits mean nothing, as long as it stays so.
TEMPORARY = ("/dev/shm", "/tmp", "/var/tmp")  # noqa: S108 (looked at, not used)
SYSTEM = ("/boot", "/etc", "/opt", "/srv", "/usr", "/var")
# There nobody but root has anything to write, and nobody else owns anything.
ROOTS = ("/boot", "/etc", "/usr")
NOT_ROOTS = ("/usr/local", "/usr/src")
# What is in them is nobody's business, or lets whoever knows it be somebody else.
SECRETS = ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/krb5.keytab", "/root")
SECRET_NAMES = {"/etc/ssl/private": ".+", "/var/backups": r"g?shadow\.bak.*"}
# Whoever may write to one can be root: engines that start what they are told, and fail2ban, which starts commands.
DOORS = tuple(
    f"/run/{name}"
    for name in (
        "containerd/containerd.sock",
        "crio/crio.sock",
        "docker.sock",
        "fail2ban/fail2ban.sock",
        "incus/unix.socket",
        "libvirt/libvirt-sock",
        "podman/podman.sock",
    )
)
# null, zero, full, random, urandom, tty, ptmx (Documentation/admin-guide/devices.txt), and the whiteouts of overlays.
HARMLESS_DEVICES = frozenset({(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (0, 0)})
PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/games", "/usr/games")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# What Debian's packages, and those of makers, bring with these bits. dpkg keeps no modes; packages that are not named here say
# so in the file in which they explain it to lintian.
SET_UID = _words(
    """
    /usr/bin/su /usr/bin/sudo /usr/bin/mount /usr/bin/umount /usr/bin/passwd /usr/bin/chsh /usr/bin/chfn /usr/bin/newgrp
    /usr/bin/gpasswd /usr/bin/pkexec /usr/bin/fusermount /usr/bin/fusermount3 /usr/bin/ntfs-3g /usr/bin/newuidmap
    /usr/bin/newgidmap /usr/bin/at /usr/bin/doas /usr/bin/firejail /usr/bin/bwrap /usr/bin/ping /usr/bin/procmail
    /usr/bin/traceroute6.iputils /usr/bin/arping /usr/bin/nvidia-modprobe /usr/bin/staprun /usr/bin/vmware-user-suid-wrapper
    /usr/lib/openssh/ssh-keysign /usr/lib/dbus-1.0/dbus-daemon-launch-helper /usr/lib/polkit-1/polkit-agent-helper-1
    /usr/lib/policykit-1/polkit-agent-helper-1 /usr/libexec/polkit-agent-helper-1 /usr/lib/snapd/snap-confine
    /usr/lib/xorg/Xorg.wrap /usr/lib/eject/dmcrypt-get-device /usr/lib/qemu/qemu-bridge-helper /usr/lib/*/lxc/lxc-user-nic
    /usr/libexec/lxc/lxc-user-nic /usr/libexec/spice-client-glib-usb-acl-helper /usr/lib/cockpit/cockpit-session
    /usr/sbin/pppd /usr/sbin/mount.nfs /usr/sbin/mount.cifs /usr/sbin/mount.davfs /usr/sbin/mount.ecryptfs_private
    /usr/sbin/exim4 /usr/libexec/sssd/* /usr/libexec/apptainer/bin/starter-suid */chrome-sandbox
    """
)
SET_GID = _words(
    """
    /usr/bin/chage /usr/bin/expiry /usr/bin/wall /usr/bin/write /usr/bin/write.ul /usr/bin/bsd-write /usr/bin/ssh-agent
    /usr/bin/crontab /usr/bin/at /usr/bin/dotlockfile /usr/bin/mlocate /usr/bin/plocate /usr/bin/locate /usr/bin/screen
    /usr/bin/procmail /usr/bin/lockfile /usr/bin/mutt_dotlock /usr/sbin/unix_chkpwd /usr/sbin/pam_extrausers_chkpwd
    /usr/sbin/postdrop /usr/sbin/postqueue /usr/sbin/dma /usr/lib/*/utempter/utempter /usr/libexec/utempter/utempter
    /usr/lib/systemd-cron/crontab_setgid /usr/libexec/systemd-cron/crontab_setgid /usr/libexec/camel-lock-helper-1.2
    /usr/games/*
    """
)
CAPABILITIES: dict[str, tuple[str, ...]] = {
    "/usr/bin/ping": ("net_raw",),
    "/usr/bin/arping": ("net_raw",),
    "/usr/bin/clockdiff": ("net_raw", "sys_nice"),
    "/usr/bin/fping": ("net_raw",),
    "/usr/bin/mtr-packet": ("net_raw",),
    "/usr/bin/traceroute6.iputils": ("net_raw",),
    "/usr/bin/dumpcap": ("net_raw", "net_admin"),
    "/usr/bin/newuidmap": ("setuid",),
    "/usr/bin/newgidmap": ("setgid",),
    "/usr/bin/gnome-keyring-daemon": ("ipc_lock",),
    "/usr/bin/kwin_wayland": ("sys_nice",),
    "/usr/lib/*/gstreamer1.0/gstreamer-1.0/gst-ptp-helper": ("net_bind_service", "net_admin", "sys_nice"),
    "/usr/lib/snapd/snap-confine": ("*",),
}
# capabilities(7), by their numbers in include/uapi/linux/capability.h
CAPABILITY_NAMES = _words(
    """
    chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service net_broadcast
    net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice
    sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm
    block_suspend audit_read perfmon bpf checkpoint_restore
    """
)

Only = frozenset[tuple[str, int]]
"""Who alone can come to a place: `("u", uid)` that account, `("g", gid)` the members of that group. Empty: everybody."""
CLOSED = ("u", 0)
RIGHTS = EVERYBODYS, OTHERS = "writable by everybody", "in other hands than root's"
"""What findings say of who can write a file."""
WAYS = {"u": "chmod u-s {path}", "g": "chmod g-s {path}", "c": "setcap -r {path}"}


class Thing(t.NamedTuple):
    """What a walk comes to."""

    folder: str
    above: os.stat_result
    """Status of the folder."""
    path: str
    status: os.stat_result
    only: Only
    """Who alone can come there."""


class Power(t.NamedTuple):
    """What a file gives to whoever starts it."""

    path: str
    kind: str
    """`u` set-user-ID, `g` set-group-ID, `c` capabilities."""
    status: os.stat_result
    capabilities: tuple[str, ...] = ()
    asleep: bool = False
    """Its file system is mounted nosuid."""


class Names:
    """Of users and groups, and everybody's primary group."""

    def __init__(self, host: Host) -> None:
        self.users = names_of(host)
        self.primary = {account.uid: account.gid for account in reversed(accounts(host))}
        self.groups = {number: name for name, (number, _members) in groups(host).items()}

    def user(self, uid: int) -> str:
        return in_one_line(self.users.get(uid, str(uid)))

    def group(self, gid: int) -> str:
        return in_one_line(self.groups.get(gid, str(gid)))

    def rights(self, status: os.stat_result, listed: Iterable[tuple[str, int]] = ()) -> str:
        """Whose it is and who may do what, those in an access list included."""
        told = f"owner {self.user(status.st_uid)}, group {self.group(status.st_gid)}, mode {stat.S_IMODE(status.st_mode):04o}"
        named = (f"{kind} {self.user(number) if kind == 'user' else self.group(number)}" for kind, number in listed)
        return told + "".join(f", access list for {whom}" for whom in named)

    def says(self, power: Power) -> str:
        if power.kind == "c":
            return f"capabilities {' '.join(power.capabilities)}"
        user, group = self.user(power.status.st_uid), self.group(power.status.st_gid)
        return f"set-user-ID of {user}" if power.kind == "u" else f"set-group-ID of {group}"


def find(host: Host, declared: Declared) -> Iterator[Finding]:
    names = Names(host)
    powers: list[Power] = []
    writable: list[Finding] = []
    for top, asleep in _tops(host):
        for thing in _walk(host, top):
            powers += _powers(host, thing, names, asleep)
            writable += _writable(host, thing, names, declared.conda_root)
            writable += _device(thing, names)
    writable += [*_temporary(host), *_secrets(host, names), *_doors(host, names), *_disks(host, names)]
    kinds: list[list[Finding]] = [list(_unowned(host, powers, names)), writable]
    for found in kinds:
        yield from found[:MOST]
    if any(len(found) > MOST for found in kinds):
        yield Finding(
            TOPIC,
            "many more",
            f"found more than {MOST} such files",
            "expected none",
            "correct those that are told, then look again",
            "error",
        )
    if host.late:
        yield Finding(
            TOPIC,
            "search not finished",
            "the search for set-user-ID files took too long",
            "expected it to end",
            "give it more time: 'audit_seconds'",
            "notice",
        )


def _tops(host: Host) -> Iterator[tuple[str, bool]]:
    """Where to begin, and whether the bits mean nothing there."""
    roots = search_roots(host.text("/proc/self/mountinfo") or "")
    seen = set()
    for top in (*roots, *TEMPORARY):
        status = host.status(top)
        if status is not None and stat.S_ISDIR(status.st_mode) and (top in roots or status.st_dev not in seen):
            seen.add(status.st_dev)
            yield top, top not in roots


def _walk(host: Host, top: str) -> Iterator[Thing]:
    """All of one file system but what is closed. Not Host.walk, which tells nothing of the folders above."""
    parts = top.rstrip("/").split("/")
    only: Only = frozenset()
    for depth in range(1, len(parts) + 1):
        status = host.status("/".join(parts[:depth]) or "/")
        if status is None:
            return
        only |= _gate(status)
        folders = [("/".join(parts[:depth]), status, only)]
    while folders and not host.late:
        folder, above, only = folders.pop()
        if CLOSED in only:
            continue
        with contextlib.suppress(OSError), os.scandir(host.path(folder)) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    thing = Thing(folder, above, f"{folder}/{entry.name}", entry.stat(follow_symlinks=False), only)
                    yield thing
                    if stat.S_ISDIR(thing.status.st_mode) and thing.status.st_dev == above.st_dev:
                        folders.append((thing.path, thing.status, only | _gate(thing.status)))


def _gate(folder: os.stat_result) -> Only:
    """Whom the folder lets through. Access lists show in the bits of the group (acl(5))."""
    if folder.st_mode & 0o001:
        return frozenset()
    if folder.st_mode & 0o010 and folder.st_gid != 0:
        return frozenset({("g", folder.st_gid)})
    return frozenset({("u", folder.st_uid)})


def _powers(host: Host, thing: Thing, names: Names, asleep: bool) -> Iterator[Power]:
    path, status, only = thing.path, thing.status, thing.only
    mode = status.st_mode
    # What cannot be started gives nothing; of a folder the bit is about the group of new files.
    if not stat.S_ISREG(mode) or not mode & 0o111:
        return
    if mode & stat.S_ISUID and ("u", status.st_uid) not in only:
        yield Power(path, "u", status, asleep=asleep)
    alone = {number if kind == "g" else names.primary.get(number) for kind, number in only}
    if mode & stat.S_ISGID and mode & stat.S_IXGRP and status.st_gid not in alone:
        yield Power(path, "g", status, asleep=asleep)
    with contextlib.suppress(OSError):
        given = _capabilities(os.getxattr(host.path(path), "security.capability", follow_symlinks=False))
        if given:
            yield Power(path, "c", status, given, asleep)


def _capabilities(data: bytes) -> tuple[str, ...]:
    """Names, of a struct vfs_cap_data (include/uapi/linux/capability.h): those that a program gets, or may get."""
    _version, *numbers = struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4]) or (0,)
    # They hold in the user namespace of this account alone, which made them there (user_namespaces(7)).
    if any(numbers[4:]):
        return ()
    bits = 0
    for index, number in enumerate(numbers[:4]):
        bits |= number << (32 * (index // 2))
    found = [index for index in range(64) if bits >> index & 1]
    return tuple(CAPABILITY_NAMES[index] if index < len(CAPABILITY_NAMES) else str(index) for index in found)


def _unowned(host: Host, powers: list[Power], names: Names) -> Iterator[Finding]:
    """Those that no package asks for."""
    packages = owners(host, {power.path for power in powers})
    overridden = _overridden(host)
    for power in sorted(powers, key=lambda power: (power.path, power.kind)):
        package = packages.get(power.path)
        if package and (_known(power) or _in_statoverride(power, overridden) or _explained(host, power, package)):
            continue
        shown, says = in_one_line(power.path), names.says(power)
        where = f"of the package {package}, which does not say so" if package else "of no package"
        yield Finding(
            TOPIC,
            f"{shown}: {says}",
            f"a file {where}, with {says}" + (", on a file system where that means nothing now" if power.asleep else ""),
            "no such file outside of packages",
            f"look at it, then '{WAYS[power.kind].format(path=shlex.quote(shown))}'" + ("" if package else ", or remove it"),
            "warning" if power.asleep else "error",
        )


def _known(power: Power) -> bool:
    if power.kind == "c":
        allowed = {name for pattern, names in CAPABILITIES.items() if fnmatch.fnmatchcase(power.path, pattern) for name in names}
        return "*" in allowed or allowed.issuperset(power.capabilities)
    patterns, number = (SET_UID, power.status.st_uid) if power.kind == "u" else (SET_GID, power.status.st_gid)
    return number < FIRST_PERSON and any(fnmatch.fnmatchcase(power.path, pattern) for pattern in patterns)


def _overridden(host: Host) -> dict[str, int]:
    """Path -> mode (dpkg-statoverride(1))."""
    rows = (line.split(None, 3) for line in (host.text(STATOVERRIDE) or "").split("\n"))
    return {row[3]: int(row[2], 8) for row in rows if len(row) == 4 and re.fullmatch("[0-7]{3,5}", row[2])}


def _in_statoverride(power: Power, overridden: dict[str, int]) -> bool:
    bit = {"u": stat.S_ISUID, "g": stat.S_ISGID}.get(power.kind, 0)
    return bool(overridden.get(power.path, overridden.get(power.path.replace("/usr", "", 1), 0)) & bit)


def _explained(host: Host, power: Power, package: str) -> bool:
    """Whether the package says why (lintian's tags elevated-privileges, setuid-binary, setgid-binary, setuid-gid-binary)."""
    bit = {"u": stat.S_ISUID, "g": stat.S_ISGID}.get(power.kind, 0)
    for line in (host.text(f"{OVERRIDES}/{package}") or "").split("\n"):
        if not re.search(r"(?:^|\s)(?:elevated-privileges|set[ug]id-binary|setuid-gid-binary)\s", line):
            continue
        mode = re.search(r"\b0?([0-7]{4})\b", line)
        patterns = [word.strip("[]").lstrip("/") for word in line.split() if "/" in word]
        places = (power.path[1:], power.path[1:].replace("usr/", "", 1))
        named = any(fnmatch.fnmatchcase(place, pattern) for place in places for pattern in patterns)
        if mode and int(mode[1], 8) & bit and named:
            return True
    return False


def _writable(host: Host, thing: Thing, names: Names, conda_root: str) -> Iterator[Finding]:
    """Things of the system that others than root can write."""
    path, status = thing.path, thing.status
    mode, is_folder = status.st_mode, stat.S_ISDIR(status.st_mode)
    # Most things are root's alone: the cheap question comes first.
    if status.st_uid < FIRST_PERSON and not mode & 0o022:
        return
    in_path = path in PATH or thing.folder in PATH
    # What people have in folders of their own is theirs; the lab's conda is a topic of its own.
    if thing.above.st_uid != 0 or _in_hands(thing.above) or not (is_folder or stat.S_ISREG(mode)):
        return
    if not (in_path or any(_inside(path, top) for top in SYSTEM)) or _inside(path, conda_root):
        return
    shown = in_one_line(path)
    shared = is_folder and mode & stat.S_ISVTX and not in_path
    roots = in_path or (any(_inside(path, top) for top in ROOTS) and not any(_inside(path, top) for top in NOT_ROOTS))
    listed = acl.named(host.path(path), acl.WRITE) if mode & 0o020 and (roots or _inside(path, "/usr")) else []
    if mode & 0o002 and not shared:
        yield Finding(
            TOPIC,
            f"{shown}: {EVERYBODYS}",
            f"a {'folder' if is_folder else 'file'} with mode {stat.S_IMODE(mode):04o} among those of the system",
            "one that only root can write",
            f"chmod o-w {shlex.quote(shown)}",
            "error",
        )
    elif listed or (roots and (status.st_uid >= FIRST_PERSON or _in_hands(status))):
        remove = f" and 'setfacl -b {shlex.quote(shown)}'" if listed else ""
        yield Finding(
            TOPIC,
            f"{shown}: {OTHERS}",
            f"{names.rights(status, listed)}, where {'programs are looked for' if in_path else 'all is that of root'}",
            "one that only root can write",
            f"'chown root:root {shlex.quote(shown)}'{remove}, once you know that it is what it seems",
            "error",
        )


def _device(thing: Thing, names: Names) -> Iterator[Finding]:
    """A disk by another name gives all that is on it to whoever can open it. Those in /dev are the kernel's and udev's."""
    status = thing.status
    if not (stat.S_ISBLK(status.st_mode) or stat.S_ISCHR(status.st_mode)) or _inside(thing.path, "/dev"):
        return
    number = os.major(status.st_rdev), os.minor(status.st_rdev)
    if number not in HARMLESS_DEVICES and _opens(status):
        shown, kind = in_one_line(thing.path), "block" if stat.S_ISBLK(status.st_mode) else "character"
        found = f"a device ({kind} {number[0]}:{number[1]}), {names.rights(status)}"
        yield Finding(TOPIC, f"{shown}: a device", found, "devices in /dev only", f"rm {shlex.quote(shown)}", "error")


def _disks(host: Host, names: Names) -> Iterator[Finding]:
    """Disks that people can open past their file systems, and the memory."""
    for path in (f"/dev/{name}" for name in host.names("/dev")):
        status = host.status(path)
        memory = path in ("/dev/mem", "/dev/kmem", "/dev/port")
        if status and (stat.S_ISBLK(status.st_mode) or memory) and _opens(status):
            shown = in_one_line(path)
            way_out = f"chown root:disk {shlex.quote(shown)}; chmod 0660 {shlex.quote(shown)}; look at /etc/udev/rules.d"
            yield Finding(TOPIC, f"{shown}: open", names.rights(status), "one that only root opens", way_out, "error")


def _opens(status: os.stat_result) -> bool:
    """Whether a person can open it."""
    group = status.st_mode & 0o060 and status.st_gid >= FIRST_PERSON
    return status.st_uid >= FIRST_PERSON or bool(status.st_mode & 0o006) or bool(group)


def _temporary(host: Host) -> Iterator[Finding]:
    """Without the sticky bit everybody removes and replaces what is everybody's; without the others nobody can work."""
    for path in TEMPORARY:
        status = host.status(path)
        if status and stat.S_ISDIR(status.st_mode) and (status.st_uid != 0 or stat.S_IMODE(status.st_mode) != 0o1777):
            found = f"owner {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o}"
            way_out = f"chown root:root {path} && chmod 1777 {path}"
            yield Finding(TOPIC, f"{path}: other rights", found, "owner 0, mode 1777", way_out, "error")


def _secrets(host: Host, names: Names) -> Iterator[Finding]:
    inside = [f"{top}/{name}" for top, known in SECRET_NAMES.items() for name in host.names(top) if re.fullmatch(known, name)]
    for path in (*SECRETS, *inside):
        status = host.status(path)
        if status is None or stat.S_ISLNK(status.st_mode):
            continue
        listed = acl.named(host.path(path), acl.READ) if status.st_mode & 0o040 else []
        people = status.st_uid >= FIRST_PERSON or (status.st_mode & 0o060 and status.st_gid >= FIRST_PERSON)
        if listed or people or status.st_mode & 0o006:
            shown = in_one_line(path)
            way_out = f"chmod o= {shlex.quote(shown)}" + (f"; setfacl -b {shlex.quote(shown)}" if listed else "")
            yield Finding(TOPIC, f"{shown}: readable", names.rights(status, listed), "a secret of root's", way_out, "error")


def _doors(host: Host, names: Names) -> Iterator[Finding]:
    for path in DOORS:
        status = host.status(path)
        if status and stat.S_ISSOCK(status.st_mode) and (status.st_uid >= FIRST_PERSON or _in_hands(status)):
            found = f"{names.rights(status)}: whoever writes to it can be root"
            way_out = f"chmod 0660 {path}, chown root {path}, and look at its unit"
            yield Finding(TOPIC, f"{path}: {OTHERS}", found, "one for root, and for a group that is declared", way_out, "error")


def _in_hands(status: os.stat_result) -> bool:
    """Whether others than the owner can write it. Groups of the system, as staff for /usr/local, are the topic `accounts`."""
    return bool(status.st_mode & 0o002) or bool(status.st_mode & 0o020 and status.st_gid >= FIRST_PERSON)


def _inside(path: str, top: str) -> bool:
    return bool(top) and f"{path}/".startswith(f"{top.rstrip('/')}/")
