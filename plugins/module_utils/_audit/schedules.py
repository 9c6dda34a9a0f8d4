# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host runs, loads or sets by itself, and neither a package nor a role brought. Private to this collection."""

from __future__ import annotations

import posixpath
import re
import stat
import typing as t
from collections.abc import Iterable, Iterator

from .._accounts.leavers import AT, CRON, LINGER
from .._host.numbers import FIRST_PERSON, NOBODY
from .._text.escapes import in_one_line, listing
from .declared import Declared
from .finding import Finding
from .host import Host, accounts
from .host import names as names_of
from .packages import Oddity, Record, link_target, merged, record

TOPIC = "schedules"
Severity = t.Literal["error", "warning", "notice"]


class Place(t.NamedTuple):
    """A folder of which somebody reads the files with these names; or a file."""

    path: str
    names: str = r".+"
    severity: Severity = "error"
    inert: str = ""
    """Lines that give nobody anything: a file of no other lines is none of our business."""
    depth: int = 1


# run-parts(8) and cron(8) read names of these characters only: no copies that dpkg and editors leave behind.
_PLAIN = r"[A-Za-z0-9_-]+"
_CONF = r".+\.conf"
_HOOK = r"[A-Za-z0-9_.-]+(?<!\.dpkg-(?:old|new|bak|tmp))(?<!\.dpkg-dist)(?<!~)"
_NOTHING = r"\s*(?:[#;].*)?"
_EMPTY = rf"{_NOTHING}|\[\w+\]\s*"
# Where systemd and its kin read settings: of files with one name the first counts.
FOLDERS = ("/etc", "/run", "/usr/local/lib", "/usr/lib")
DAEMONS = ("system", "user", "journald", "logind", "timesyncd", "resolved", "networkd", "coredump", "sleep", "oomd", "homed")

PLACES = (
    Place("/etc/crontab"),
    Place("/etc/anacrontab"),
    Place("/etc/cron.d", _PLAIN),
    *(Place(f"/etc/cron.{often}", _PLAIN) for often in ("hourly", "daily", "weekly", "monthly", "yearly")),
    Place("/etc/rc.local"),
    Place("/etc/init.d", _PLAIN),
    # What is started by an event: a device, a network, a log that is full, a login, a kernel, sleep, a name on the bus.
    *(Place(f"{top}/udev/rules.d", r".+\.rules", "warning") for top in ("/etc", "/usr/local/lib", "/usr/lib")),
    # There programs write, at each boot; what matters is what starts something.
    Place("/run/udev/rules.d", r".+\.rules", inert=r"(?!.*\b(?:RUN|PROGRAM|IMPORT)\b).*"),
    *(Place(f"/etc/network/if-{when}.d", _PLAIN) for when in ("pre-up", "up", "down", "post-down")),
    Place("/etc/dhcp/dhclient-enter-hooks.d", _HOOK),
    Place("/etc/dhcp/dhclient-exit-hooks.d", _HOOK),
    Place("/etc/NetworkManager/dispatcher.d", _HOOK),
    *(Place(f"/etc/networkd-dispatcher/{state}.d", _HOOK) for state in ("routable", "configured", "carrier", "off")),
    Place("/etc/logrotate.d", _HOOK),
    Place("/etc/update-motd.d", _PLAIN),
    *(Place(f"/etc/kernel/{when}.d", _HOOK) for when in ("preinst", "postinst", "prerm", "postrm", "install")),
    Place("/etc/initramfs-tools/hooks", _PLAIN),
    Place("/etc/initramfs-tools/scripts", _PLAIN, depth=2),
    Place("/usr/lib/systemd/system-sleep", _HOOK),
    Place("/usr/lib/systemd/system-shutdown", _HOOK),
    *(Place(f"{top}/dbus-1/system-services", r".+\.service") for top in ("/usr/local/share", "/usr/share")),
    # Who may ask whom for what, on the bus of the system.
    *(Place(f"{top}/dbus-1/system.d", _CONF) for top in ("/etc", "/usr/local/share", "/usr/share")),
    # What the kernel is told.
    Place("/etc/modules", severity="warning", inert=_NOTHING),
    Place("/etc/sysctl.conf", severity="warning", inert=_NOTHING),
    *(Place(f"{top}/modules-load.d", _CONF, "warning", _NOTHING) for top in FOLDERS),
    *(Place(f"{top}/modprobe.d", _CONF, "warning", rf"{_NOTHING}|\s*blacklist\s.*") for top in FOLDERS),
    *(Place(f"{top}/sysctl.d", _CONF, "warning", _NOTHING) for top in FOLDERS),
    *(Place(f"{top}/binfmt.d", _CONF, inert=_NOTHING) for top in FOLDERS),
    # Files, accounts and settings that systemd makes or takes over by itself. kmod has it make nodes of devices.
    *(Place(f"{top}/tmpfiles.d", _CONF, inert=rf"{_NOTHING}|[bcd]!?\s+/dev/.*") for top in FOLDERS),  # noqa: S108  a name
    *(Place(f"{top}/sysusers.d", _CONF, inert=_NOTHING) for top in FOLDERS),
    *(Place(f"{top}/systemd/{what}.conf.d", _CONF, "warning", _EMPTY) for top in FOLDERS for what in DAEMONS),
)
# Rules and settings that start programs: udev(7), modprobe.d(5).
STARTS = re.compile(
    r"^[^#\n]*\b(?:RUN|PROGRAM|IMPORT)\b(?:\{program\})?\s*(?:\+=|:=|==|=)|^\s*(?:install|remove)\s+\S+\s", re.MULTILINE
)

# systemd.unit(5), "Unit File Load Path"; systemd.generator(7). The generators' own output follows from them. Where the vendor's
# units are, what no package owns is seen as well.
UNITS = (
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/etc/systemd/system.control",
    "/run/systemd/system",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
)
USER_UNITS = (
    "/etc/systemd/user",
    "/run/systemd/user",
    "/usr/local/lib/systemd/user",
    "/usr/lib/systemd/user",
    "/root/.config/systemd/user",
    "/root/.config/systemd/user.control",
    "/root/.local/share/systemd/user",
)
VENDORS = ("/usr/lib/systemd/system", "/usr/lib/systemd/user")
GENERATORS = tuple(
    f"{folder}/systemd/{kind}-generators"
    for folder in ("/etc", "/run", "/usr/local/lib", "/usr/lib")
    for kind in ("system", "user", "system-environment", "user-environment")
)
UNIT = r"[^/]+\.(?:service|socket|timer|path|mount|automount|swap|device|slice|target)"
LINKS = r"(?:wants|requires|upholds)"
# Made up for a call of systemd-run(1); the rest of the name is chance.
MADE_UP = re.compile(r"run-(?:u\d+|r[0-9a-f]{32}|p\d+-i\d+|\d+)(?=\.)")
# systemd.special(7) and Debian's own: a shell of root without a password.
OPEN_DOORS = ("debug-shell.service",)

_ROLES = (
    r"/etc/systemd/system/research-server-(?:firewall|loopback)\.service",
    r"/etc/systemd/system/research-server-drift(?:-update|-notify@|-mail|-webhook)?\.service",
    r"/etc/systemd/system/research-server-drift(?:-watch|-mail|-webhook)?\.timer",
    r"/etc/systemd/system/research-server-(?:firewall|sshd)-undo-at-boot\.service",
    r"/run/systemd/transient/research-server-(?:firewall|sshd)-undo\.(?:service|timer)",
    r"/etc/systemd/system/research-server-sshd-\d+\.socket",
    r"/etc/systemd/system/sockets\.target\.d/research-server-sshd\.conf",
    r"/etc/systemd/system/sshd?\.service\.d/50-research-server\.conf",
    r"/etc/systemd/system/nftables\.service\.d/(?:50-research-server|60-research-server-fail2ban)\.conf",
    r"/etc/systemd/system/fail2ban\.service\.d/50-research-server\.conf",
    r"/etc/systemd/system/jupyter@\.(?:service|socket)",
    r"/etc/systemd/system/jupyterhub(?:\.service|\.socket|-login\.socket|-login@\.service)",
    r"/etc/systemd/system/jupyter@[^/]+\.(?:service|socket)\.d/50-research-server\.conf",
    r"/etc/systemd/system/user-\d+\.slice\.d/50-research-server\.conf",
    r"/etc/sysctl\.d/zz-research-server-sshd\.conf",
    r"/etc/systemd/logind\.conf\.d/50-research-server(?:-jupyter)?\.conf",
    r"/etc/modprobe\.d/research-server-nvidia\.conf",
    r"/etc/modules-load\.d/research-server-nvidia\.conf",
    # Written at each boot by netplan's generator, which a package owns.
    r"/run/systemd/system/netplan-ovs-cleanup\.service",
    r"/run/systemd/system/netplan-wpa-[^/]+\.service",
    r"/run/systemd/system/systemd-networkd-wait-online\.service\.d/10-netplan\.conf",
)
OURS = tuple(map(re.compile, _ROLES))
# Of a role that a host does not have nothing is compared: a file with such a name is anybody's.
OF_ROLES = {
    "drift": re.compile(r".*/research-server-drift\b.*"),
    "firewall": re.compile(r".*/research-server-firewall\b.*"),
    "jupyter": re.compile(r".*/(?:research-server-loopback\.service|50-research-server-jupyter\.conf|jupyter@.*)"),
    "jupyterhub": re.compile(r".*/jupyterhub(?:-login)?@?\.(?:service|socket)"),
    "sshd": re.compile(r".*/research-server-sshd\b.*"),
    "nvidia": re.compile(r".*/research-server-nvidia\b.*"),
    "workbench": re.compile(r"/etc/systemd/logind\.conf\.d/50-research-server\.conf"),
}
SWITCHED_ON = "/var/lib/systemd/deb-systemd-helper-enabled"
KEEPERS = frozenset(
    f"{name}.timer" for name in ("apt-daily", "apt-daily-upgrade", "logrotate", "fstrim", "dpkg-db-backup")
) | frozenset(
    f"{name}.service" for name in ("apparmor", "auditd", "chrony", "cron", "rsyslog", "systemd-timesyncd", "unattended-upgrades")
)
# An empty file in the place of a generator (role sshd); with a content it would be a program.
NO_GENERATOR = "/etc/systemd/system-generators/systemd-ssh-generator"


def find(host: Host, declared: Declared) -> Iterator[Finding]:
    known = record(host)
    if known.known:
        ours = of_roles(declared)
        for place in PLACES:
            yield from _in_place(host, known, place, ours)
        for folder in (*UNITS, *USER_UNITS):
            yield from _units(host, known, folder, ours)
        for folder in GENERATORS:
            yield from _generators(host, known, folder)
    yield from _switched_off(host)
    yield from _jobs(host, declared)


def of_roles(declared: Declared) -> Iterable[re.Pattern[str]]:
    """What the roles of this host leave; of all roles, where nobody says which it has."""
    others = "|".join(pattern.pattern for role, pattern in OF_ROLES.items() if declared.roles and role not in declared.roles)
    return [re.compile(rf"(?!{others}){pattern.pattern}") for pattern in OURS] if others else OURS


def _in_place(host: Host, known: Record, place: Place, ours: Iterable[re.Pattern[str]]) -> Iterator[Finding]:
    for path in _files(host, place.path, place.names, place.depth):
        said = host.text(path)
        text = said or ""
        # None of the roles' settings start anything.
        odd = known.oddity(host, path, () if STARTS.search(text) else ours)
        if odd is None:
            continue
        inert = place.inert and said is not None and all(re.fullmatch(place.inert, line) for line in text.splitlines())
        if odd.kind == "foreign" and inert:
            continue
        severity = "error" if STARTS.search(text) else place.severity
        yield _with_lines(odd, text).told(TOPIC, path, severity)


def _files(host: Host, path: str, names: str, depth: int) -> Iterator[str]:
    """The file itself; or the folder, and what is in it."""
    status = host.status(path)
    if status is None:
        return
    yield path
    if stat.S_ISDIR(status.st_mode) and depth:
        for name in host.names(path):
            inner = host.status(f"{path}/{name}")
            if re.fullmatch(names, name) or (inner and stat.S_ISDIR(inner.st_mode)):
                yield from _files(host, f"{path}/{name}", names, depth - 1)


def _with_lines(odd: Oddity, text: str) -> Oddity:
    """What a file says, as far as it is short: whoever reads the finding wants to know."""
    said = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    foreign = [line for line in said if "/etc/cron." not in line]
    return odd._replace(found=f"{odd.found}: {listing([line[:120] for line in foreign], 3)}") if foreign else odd


def _units(host: Host, known: Record, folder: str, ours: Iterable[re.Pattern[str]]) -> Iterator[Finding]:
    for path in _files(host, folder, rf"{UNIT}|{_CONF}", 2):
        if path == folder or re.search(r"\.scope(?:\.d)?(?:/|$)|^/run/systemd/transient/.*\.slice(?:\.d)?(?:/|$)", path):
            # Scopes, and the slices of logins and of systemd-run(1), come and go by themselves and run nothing.
            odd = known.oddity(host, path) if path == folder else None
        else:
            odd = _unit(host, known, (folder, path), ours)
        if odd:
            yield odd.told(TOPIC, MADE_UP.sub("run-*", path), "warning" if odd.kind == "changed" else "error")


def _unit(host: Host, known: Record, place: tuple[str, str], ours: Iterable[re.Pattern[str]]) -> Oddity | None:
    folder, path = place
    odd = known.oddity(host, path, ours)
    status = host.status(path)
    if status is None or not stat.S_ISLNK(status.st_mode):
        return odd if odd is None or odd.kind == "open" else _in_front(host, folder, path, odd)
    target, name = link_target(host, path), posixpath.basename(path)
    if known.owner(path):
        return odd
    if re.search(rf"\.{LINKS}/[^/]+$", path):
        return _enabled(name, target, odd)
    vendor = _vendor(host, name)
    if target == "/dev/null":
        return _masked(host, known, name, vendor)
    if _unit_folder(target) and vendor and target not in (vendor, link_target(host, vendor)) and name != "default.target":
        found = f"a link to {in_one_line(target)}, in place of {in_one_line(vendor)}"
        return Oddity(found, "the unit of the package", in_one_line(f"rm {path} && systemctl daemon-reload"), "foreign")
    # An alias, as `systemctl enable` makes it, of a unit that is looked at where it is; or of one that has gone.
    return None if _unit_folder(target) else odd


def _enabled(name: str, target: str, odd: Oddity | None) -> Oddity | None:
    """systemd goes by the name of the link (systemd.unit(5)); what a unit of that name says is looked at where it is."""
    if name in OPEN_DOORS:
        found = "started at boot: a shell of root that asks for no password"
        return Oddity(found, "not enabled", f"systemctl disable {name}", "foreign")
    return None if _unit_folder(target) or target == "/dev/null" else odd


def _masked(host: Host, known: Record, name: str, vendor: str) -> Oddity | None:
    """Where nothing is, nothing is masked. Debian itself masks what is removed and not purged (deb-systemd-helper(1p))."""
    if not vendor or host.status(f"/var/lib/systemd/deb-systemd-helper-masked/{name}"):
        return None
    expected = f"as package {known.owner(vendor) or '?'} brought it"
    return Oddity("masked", expected, in_one_line(f"systemctl unmask {name}"), "changed")


def _vendor(host: Host, name: str) -> str:
    return next((f"{place}/{name}" for place in VENDORS if host.status(f"{place}/{name}")), "")


def _unit_folder(target: str) -> bool:
    return posixpath.dirname(target) in tuple(map(merged, (*UNITS, *USER_UNITS)))


def _in_front(host: Host, folder: str, path: str, odd: Oddity) -> Oddity:
    text = _with_lines(odd, host.text(path) or "")
    name = posixpath.basename(path)
    if folder not in VENDORS:
        vendor = _vendor(host, name)
        if vendor:
            text = text._replace(found=f"in place of {in_one_line(vendor)}: {text.found}")
    if odd.kind == "changed":
        return text
    reload = "systemctl daemon-reload"
    if posixpath.dirname(path) != folder:
        return text._replace(way_out=in_one_line(f"rm {path} && {reload}"))
    if folder.startswith("/run/systemd/transient"):
        return text._replace(way_out=in_one_line(f"systemctl stop {MADE_UP.sub('run-*', name)}"))
    scope = " --user" if folder in USER_UNITS else ""
    return text._replace(way_out=in_one_line(f"systemctl{scope} disable --now {name}; rm {path} && {reload}"))


def _generators(host: Host, known: Record, folder: str) -> Iterator[Finding]:
    for path in _files(host, folder, r".+", 1):
        status = host.status(path)
        harmless = bool(status and stat.S_ISREG(status.st_mode) and status.st_size == 0) or link_target(host, path) == "/dev/null"
        odd = known.oddity(host, path)
        if odd and not (path == NO_GENERATOR and harmless and odd.kind == "foreign"):
            yield odd.told(TOPIC, path, "warning" if harmless else "error")


def _switched_off(host: Host) -> Iterator[Finding]:
    """What keeps a server safe, and its package has switched on: deb-systemd-helper(1p) notes the links that it makes."""
    for folder in host.names(SWITCHED_ON):
        for name in host.names(f"{SWITCHED_ON}/{folder}") if folder.endswith(".wants") else ():
            if name in KEEPERS and _vendor(host, name) and not host.status(f"/etc/systemd/system/{folder}/{name}"):
                expected = "as its package switched it on"
                yield Finding(
                    TOPIC, name, "switched off: not started at boot", expected, f"systemctl enable --now {name}", "warning"
                )


def _jobs(host: Host, declared: Declared) -> Iterator[Finding]:
    uids = {account.name: account.uid for account in accounts(host)}
    names = names_of(host)
    for folder in CRON:
        for name in host.names(folder):
            # crontab(1) edits a file `tmp.XXXX`.
            text = None if name.startswith("tmp.") else host.text(f"{folder}/{name}")
            jobs = [line.strip() for line in (text or "").splitlines() if _is_job(line)]
            if jobs:
                found = f"{len(jobs)} of cron's lines: {listing([job[:120] for job in jobs], 3)}"
                yield _of(f"crontab of {name}", (name, uids.get(name)), declared, found, f"crontab -u {name} -r")
    jobs_of: dict[int, list[str]] = {}
    for folder in AT:
        for name in host.names(folder):
            status = host.status(f"{folder}/{name}")
            # Queue, number of the job, minute (at(1)).
            if status and stat.S_ISREG(status.st_mode) and re.fullmatch(r"[A-Za-z=][0-9a-f]{5,}", name):
                jobs_of.setdefault(status.st_uid, []).append(f"{folder}/{name}")
    for uid, paths in sorted(jobs_of.items()):
        name = names.get(uid, str(uid))
        yield _of(f"at jobs of {name}", (name, uid), declared, f"{len(paths)} jobs for later", f"rm {' '.join(paths[:10])}")
    for name in host.names(LINGER):
        person = _is_person(uids.get(name), name, declared)
        if name not in declared.linger and not (person and (not declared.people or name in declared.people)):
            found = "its services run without a login (loginctl enable-linger)"
            yield _of(f"lingering of {name}", (name, uids.get(name)), declared, found, f"loginctl disable-linger {name}")


def _is_job(line: str) -> bool:
    """Neither empty, nor a comment, nor a variable (crontab(5))."""
    return bool(line.strip()) and not re.match(r"\s*(?:#|\w+\s*=|[\"']\w+[\"']\s*=)", line)


def _is_person(uid: int | None, name: str, declared: Declared) -> bool:
    return uid is not None and (name in declared.people or (uid >= FIRST_PERSON and uid not in NOBODY))


def _of(what: str, whose: tuple[str, int | None], declared: Declared, found: str, way_out: str) -> Finding:
    name, uid = whose
    severity: Severity = "warning"
    expected = "nothing of this account"
    if uid == 0:
        severity = "error"
    elif _is_person(uid, name, declared) and (not declared.people or name in declared.people):
        severity, expected = "notice", "to be known: it runs without a login"
    elif uid is None or uid >= FIRST_PERSON:
        way_out = f"{way_out}, or name {name} in accounts_researchers"
    return Finding(TOPIC, in_one_line(what), found, expected, in_one_line(way_out), severity)
