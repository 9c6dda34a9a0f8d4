# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that take part in logins and starts of programs, and that no package and no role left so. Private to this collection."""

from __future__ import annotations

import hashlib
import re
import stat
import typing as t
from collections.abc import Iterator

from .._conda.shell_files import READS_PROFILE, without_line
from .._jupyter import sessions
from .._ssh.recovery import COMMAND as OPEN_DOOR
from .._text.escapes import in_one_line, listing
from .._workbench import git
from .declared import Declared
from .finding import Finding
from .host import Host
from .keys import OURS as SSHD_DROP_IN
from .packages import link_target, md5, record
from .schedules import PLACES as SCHEDULES

TOPIC = "start-up files"
Severity = t.Literal["error", "warning", "notice"]

# Folder -> names that somebody reads, and what a foreign file there is.
FOLDERS: tuple[tuple[str, str, Severity], ...] = (
    ("/etc/ld.so.conf.d", r".+\.conf", "error"),
    ("/etc/profile.d", r".+\.sh", "error"),
    ("/etc/fish/conf.d", r".+\.fish", "error"),
    ("/etc/pam.d", r"[^.].*(?<!\.pam-old)(?<!\.dpkg-(?:old|new|bak|tmp))(?<!\.dpkg-dist)(?<!~)", "error"),
    ("/etc/security", r".+\.(?:conf|init)", "warning"),
    ("/etc/security/limits.d", r".+\.conf", "warning"),
    ("/etc/security/namespace.d", r".+\.(?:conf|init)", "error"),
    ("/etc/ssh/ssh_config.d", r".+\.conf", "error"),
    ("/etc/skel", r".+", "warning"),
    ("/etc/skel/.ssh", r".+", "error"),
    *((f"{top}/environment.d", r".+\.conf", "error") for top in ("/etc", "/run", "/usr/local/lib", "/usr/lib")),
    ("/etc/xdg/autostart", r".+\.desktop", "error"),
    ("/etc/bash_completion.d", r"[^.].*(?<!~)", "warning"),
    ("/etc/X11/Xsession.d", r"[A-Za-z0-9_-]+", "error"),
    # Where pip gets its packages from, of everybody and of root. /etc/pip.conf is a lab's own decision.
    *((folder, r"pip\.conf", "warning") for folder in ("/etc/xdg/pip", "/root/.config/pip", "/root/.pip")),
    # Python looks into such an archive before its own folder.
    ("/usr/lib", r"python3\d+\.zip", "error"),
    # Every python3 of the host runs these first (site(3)), that of Ansible included.
    ("/usr/lib/python3/dist-packages", r".+\.pth|(?:site|user)customize\.py", "error"),
)
# /usr/local/lib/python3.11/dist-packages, of a version that is known by the folder's name only.
LOCAL_PYTHON = r"python3(?:\.\d+)?"
HOOKS = r".+\.pth|(?:site|user)customize\.py"
# Where the web door is the lab's: what else nginx serves, and with what.
NGINX_OURS = "/etc/nginx/research-server"
NGINX: tuple[tuple[str, str, Severity], ...] = (
    ("/etc/nginx/conf.d", r".+\.conf", "warning"),
    ("/etc/nginx/sites-enabled", r"[^.].*", "warning"),
    ("/etc/nginx/modules-enabled", r".+\.conf", "error"),
)
# What setuptools and its like bring themselves; they only prepare an import (site(3)).
PLAIN_HOOKS = ("distutils-precedence.pth", "easy-install.pth")

# No package brings them: while they are there, somebody put them there.
FOREIGN: tuple[tuple[str, Severity], ...] = (
    ("/etc/ld.so.preload", "error"),
    ("/etc/ssh/sshrc", "error"),
    # Whose word ssh takes for who a server is; the lab's own are in its inventory.
    ("/etc/ssh/ssh_known_hosts", "warning"),
    ("/root/.ssh/rc", "error"),
    ("/root/.ssh/environment", "error"),
    ("/root/.pam_environment", "error"),
    ("/root/.bash_profile", "warning"),
    ("/root/.bash_login", "warning"),
    ("/root/.bash_logout", "warning"),
    ("/root/.bash_aliases", "warning"),
    ("/root/.xsessionrc", "warning"),
    ("/root/.zshenv", "warning"),
    ("/root/.zshrc", "warning"),
)
# Copied by a package when the host was installed, and no conffile since; the copy may be missing.
OLDER = ("0a540d50c157ed0070459b82c358a05a",)  # dot.bashrc of Debian 12; an upgrade leaves it
COPIES: tuple[tuple[str, str, Severity], ...] = (
    ("/etc/profile", "/usr/share/base-files/profile", "error"),
    ("/root/.bashrc", "/usr/share/base-files/dot.bashrc", "warning"),
    ("/root/.profile", "/usr/share/base-files/dot.profile", "warning"),
)
# Conffiles whose change is more than a setting of somebody.
POWERFUL = re.compile(
    r"/etc/(?:pam\.d/.+|pam\.conf|bash\.bashrc|zsh/zshenv|profile|ld\.so\.conf(?:\.d/.+)?|python3[.\d]*/sitecustomize\.py|sudoers)"
)
# Those that are told by another topic.
ELSEWHERE = (
    "/etc/apt/",
    "/etc/sudoers",
    *(f"{place.path}/" if place.names != r".+" else place.path for place in SCHEDULES),
    "/etc/systemd/system/",
)

MODULI = "/etc/ssh/moduli"
NEEDED = ("/etc/pam.d/", MODULI, "/etc/fail2ban/", "/etc/security/")
OURS = (re.compile(r"/etc/profile\.d/conda\.sh|/etc/fish/conf\.d/conda\.fish|/etc/nginx/conf\.d/research-server\.conf"),)
# Of a role that a host does not have nothing is compared: a file with such a name is anybody's.
OF_ROLES = {"jupyterhub": re.compile(r"/etc/pam\.d/research-server-jupyterhub")}

GIT = "/etc/gitconfig"
GIT_STARTS = re.compile(
    r"core\.(?:hookspath|fsmonitor|sshcommand|editor|pager|askpass|gitproxy|attributesfile)|credential\.(?:.+\.)?helper"
    r"|include(?:if\..+)?\.path|init\.templatedir|filter\..+\.(?:clean|smudge|process)|diff\.(?:external|.+\.(?:textconv|command))"
    r"|merge\..+\.driver|(?:diff|merge)tool\..+\.cmd|alias\..+|pager\..+|sequence\.editor|gpg\.(?:.+\.)?program"
    r"|url\..+\.(?:insteadof|pushinsteadof)|http\.(?:.+\.)?(?:sslverify|sslcainfo|proxy)|uploadpack\.packobjectshook"
)
# As `git lfs install --system` sets them; cat changes nothing.
GIT_KNOWN = re.compile(r"^git-lfs |^cat$|/usr/local/bin/research-server-nbstripout (?:process|clean|textconv)$")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
AUTHORITIES = ("/usr/share/ca-certificates", "/usr/local/share/ca-certificates")
MOST_CERTIFICATES = 20

# What pam-auth-update writes where no profile is the first of a stack; for `auth` it would let everybody in.
EMPTY_STACK = "session [default=1] pam_permit.so"

# environment(5) of pam_env: languages, and the way to the outside that our documents name, are a lab's business.
PLAIN_VARIABLE = re.compile(r"(?:LANG|LANGUAGE|LC_[A-Z]+|TZ|EDITOR|PAGER)|(?:https?|ftp|no|all)_proxy", re.IGNORECASE)
USUAL_PATH = re.compile(r"(?:/usr/local/s?bin|/usr/s?bin|/s?bin|/usr/games|/usr/local/games|/snap/bin)")

# nsswitch.conf(5): what glibc has built in.
BUILT_IN = ("files", "dns", "db", "compat", "nis", "nisplus", "hesiod")

# Names of the outer world that a server takes software from: where they lead is the business of DNS.
WORLD = (
    "anaconda.com",
    "anaconda.org",
    "conda.io",
    "debian.org",
    "docker.com",
    "docker.io",
    "github.com",
    "gitlab.com",
    "githubusercontent.com",
    "huggingface.co",
    "nvidia.com",
    "ntp.org",
    "pypi.org",
    "pythonhosted.org",
    "pytorch.org",
    "r-project.org",
    "ubuntu.com",
)
LOOPBACK = re.compile(r"127\.\d+\.\d+\.\d+|::1|0:0:0:0:0:0:0:1")
PERSONAL = ("/home/", "/tmp/", "/var/tmp/", "/dev/shm/", "/srv/", "/root/", "/run/user/")  # noqa: S108


def find(host: Host, declared: Declared) -> Iterator[Finding]:
    known = record(host)
    if not known.known:
        return
    told = set()
    for finding in _of_places(host, declared):
        told.add(finding.name)
        yield finding
    yield from _conffiles(host, told)
    yield from _pam(host)
    yield from _environment(host)
    yield from _managers_environment(host)
    yield from _git(host)
    yield from _authorities(host)
    yield from _nsswitch(host)
    yield from _hosts(host)
    yield from _resolver(host)
    yield from _wrappers(host)
    yield from _shells(host)


def _of_places(host: Host, declared: Declared) -> Iterator[Finding]:
    known = record(host)
    modules = [f"/usr/lib/{name}/security" for name in host.names("/usr/lib") if name.endswith(("-gnu", "-gnueabihf"))]
    local = [f"/usr/local/lib/{name}/dist-packages" for name in host.names("/usr/local/lib") if re.fullmatch(LOCAL_PYTHON, name)]
    pythons = [name for name in host.names("/usr/lib") if re.fullmatch(LOCAL_PYTHON, name)]
    local += [f"/usr/lib/{name}" for name in pythons] + [f"/root/.local/lib/{name}/site-packages" for name in pythons]
    ours = (*OURS, *(pattern for role, pattern in OF_ROLES.items() if not declared.roles or role in declared.roles))
    nginx = NGINX if host.status(NGINX_OURS) else ()
    folders = [*FOLDERS, *nginx, *((path, r".+", "error") for path in modules), *((path, HOOKS, "error") for path in local)]
    for folder, names, severity in folders:
        for path in (folder, *(f"{folder}/{name}" for name in host.names(folder) if re.fullmatch(names, name))):
            odd = None if _generated(path) or path.endswith(PLAIN_HOOKS) else known.oddity(host, path, ours)
            if odd:
                yield odd.told(TOPIC, path, severity)
    for path, severity in FOREIGN:
        status = host.status(path)
        if status and not (stat.S_ISREG(status.st_mode) and status.st_size == 0):
            text = listing([line[:120] for line in (host.text(path) or "").split("\n") if line.strip()], 3)
            yield Finding(TOPIC, path, f"there: {text}" if text else "there", "no such file", f"rm {path}", severity)
    for path, source, severity in COPIES:
        text = md5(host, path)
        usual = (md5(host, source), *OLDER, *(host.text(f"{source}.md5sums") or "").split())
        if host.status(path) and usual[0] and text not in usual:
            yield Finding(TOPIC, path, f"another content than {source}", "the package's text", f"cp {source} {path}", severity)


def _generated(path: str) -> bool:
    """What pam-auth-update(8) writes is looked at line by line."""
    return re.fullmatch(r"/etc/pam\.d/common-[a-z-]+", path) is not None


def _conffiles(host: Host, told: set[str]) -> Iterator[Finding]:
    known = record(host)
    for path in sorted(known.hashes):
        missing = host.status(path) is None
        if path.startswith(ELSEWHERE) or in_one_line(path) in told or (_managed(host, path) and not missing):
            continue
        odd = known.oddity(host, path)
        if odd and odd.kind == "changed" and _with_our_line(host, path):
            continue
        if odd:
            yield odd.told(TOPIC, path, "error" if POWERFUL.fullmatch(path) else "warning")
        elif missing and path.startswith(NEEDED) and known.owner(path):
            # Without the first the rules of `other` are used (pam.d(5)), without the others weaker ones, or none.
            way_out = f"apt-get install --reinstall -o Dpkg::Options::=--force-confmiss {known.owner(path)}"
            yield Finding(TOPIC, in_one_line(path), "missing", f"as package {known.owner(path)} brought it", way_out)


def _managed(host: Host, path: str) -> bool:
    """Whether the role sshd compares it: it takes weak groups out."""
    return path == MODULI and any(host.status(mark) is not None for mark in (SSHD_DROP_IN, OPEN_DOOR))


def _with_our_line(host: Host, path: str) -> bool:
    """Whether the role miniconda's line on top is all that is not the package's."""
    text = host.text(path) or ""
    as_brought = hashlib.md5(without_line(text).encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    return text.startswith(READS_PROFILE) and as_brought == record(host).hashes[path]


def _pam(host: Host) -> Iterator[Finding]:
    """Files that pam-auth-update(8) has put together: of a template, and lines of profiles that packages own."""
    known = record(host)
    profiles = set()
    for name in host.names("/usr/share/pam-configs"):
        if known.owner(f"/usr/share/pam-configs/{name}"):
            profiles |= {_pam_line(line) for line in (host.text(f"/usr/share/pam-configs/{name}") or "").splitlines()}
    for name in host.names("/usr/share/pam"):
        template, text = host.text(f"/usr/share/pam/{name}"), host.text(f"/etc/pam.d/{name}")
        if not name.startswith("common-") or name.endswith(".md5sums") or template is None:
            continue
        if text is None:
            yield Finding(
                TOPIC, f"/etc/pam.d/{name}", "missing", "as pam-auth-update makes it", "pam-auth-update --force", "error"
            )
            continue
        fixed = [line for line in _pam_lines(template) if not line.startswith("$")]
        lines = _pam_lines(text)
        # The type in front is not in a profile (pam-auth-update(8), PROFILE FORMAT).
        known_lines = (*fixed, EMPTY_STACK, *(sessions.LINES if f"/etc/pam.d/{name}" == sessions.STACK else ()))
        foreign = [line for line in lines if line not in known_lines and line.partition(" ")[2] not in profiles]
        if foreign or [line for line in lines if line in fixed] != fixed:
            found = f"lines of no package: {listing(foreign, 5)}" if foreign else "lines of its template are missing or moved"
            way_out = "pam-auth-update --force"
            yield Finding(TOPIC, f"/etc/pam.d/{name}", found, "as pam-auth-update makes it", way_out, "error")


def _pam_lines(text: str) -> list[str]:
    return [_pam_line(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _pam_line(line: str) -> str:
    # `success=end` becomes the number of modules to be left out.
    return re.sub(r"\bsuccess=(?:end|\d+)", "success=end", " ".join(line.split()))


def _environment(host: Host) -> Iterator[Finding]:
    for line in (host.text("/etc/environment") or "").splitlines():
        # pam_env(8) reads `export NAME=value` too.
        match = re.match(r"\s*(?:export\s+)?([^=\s#]+)\s*=\s*(.*)", line)
        if match is None or _plain(match[1], match[2].strip().strip("\"'")):
            continue
        name, value = match[1], match[2].strip().strip("\"'")
        severity = _severity(name)
        way_out = f"sed -i '/^ *\\(export *\\)\\?{name} *=/d' /etc/environment"
        found = in_one_line(f"{name}={value[:200]} for everybody who logs in")
        yield Finding(TOPIC, in_one_line(f"/etc/environment: {name}"), found, "no such variable", in_one_line(way_out), severity)


def _plain(name: str, value: str) -> bool:
    path = name == "PATH" and all(map(USUAL_PATH.fullmatch, value.split(":")))
    return path or PLAIN_VARIABLE.fullmatch(name) is not None


def _severity(name: str) -> Severity:
    return "error" if re.match(r"LD_|PATH$|PYTHON|BASH_ENV$|ENV$|PERL|CONDA|SSH_|GCONV_|JUPYTER", name) else "warning"


def _managers_environment(host: Host) -> Iterator[Finding]:
    """What systemd hands to each service that it starts; somebody has told it, since files are looked at where they are."""
    for line in host.output("systemctl", "show-environment").splitlines():
        name, equals, value = line.partition("=")
        if equals and not _plain(name, value.strip("$'\"")):
            found, way_out = f"{line[:200]} for each service that is started", f"systemctl unset-environment {name}"
            title = in_one_line(f"environment of systemd: {name}")
            yield Finding(TOPIC, title, in_one_line(found), "no such variable", in_one_line(way_out), _severity(name))


def _git(host: Host) -> Iterator[Finding]:
    """What everybody's git starts, reads or is sent to by the settings for all (git-config(1))."""
    if host.status(GIT) is None:
        return
    listing_ = host.output("git", "config", "--file", host.path(GIT), "--no-includes", "--list", "-z")
    for key, values in sorted(git.parse(listing_).items()):
        for value in values:
            if GIT_STARTS.fullmatch(key) and not GIT_KNOWN.search(value) and (not key.startswith("alias.") or value[:1] == "!"):
                way_out = f"git config --system --unset-all {key}"
                found, expected = f"{key} = {value[:200]} for everybody", "settings of the role workbench"
                yield Finding(TOPIC, in_one_line(f"{GIT}: {key}"), in_one_line(found), expected, in_one_line(way_out), "error")


def _authorities(host: Host) -> Iterator[Finding]:
    """Certificates in the bundle that update-ca-certificates(8) has not put there: of no package, and not a lab's own."""
    text = host.text(BUNDLE, 16 << 20)
    if text is None:
        return
    known: set[str] = set()
    for top in AUTHORITIES:
        files = (path for path, status in host.walk(top) if stat.S_ISREG(status.st_mode) and path.endswith(".crt"))
        known |= {body for path in files for body in _certificates(host.text(path) or "")}
    foreign = [body for body in _certificates(text) if body not in known] if known else []
    for body in dict.fromkeys(foreign[:MOST_CERTIFICATES]):
        name = f"{BUNDLE}: {hashlib.sha256(body.encode()).hexdigest()[:16]}"
        found, expected = "a certificate of no package, and of no file of the lab's", "what update-ca-certificates has put there"
        yield Finding(TOPIC, name, found, expected, "update-ca-certificates --fresh", "error")


def _certificates(text: str) -> list[str]:
    found = re.findall(r"-----BEGIN CERTIFICATE-----\s(.+?)-----END CERTIFICATE-----", text, re.DOTALL)
    return ["".join(body.split()) for body in found]


def _nsswitch(host: Host) -> Iterator[Finding]:
    """Each service is a library that every program loads (nss(5)); one of a package is none of our business."""
    known = record(host)
    text = host.text("/etc/nsswitch.conf")
    if text is None:
        return
    libraries = {path.rpartition("/libnss_")[2].partition(".so")[0] for path in known.owners if "/libnss_" in path}
    for line in text.splitlines():
        database, colon, services = line.partition("#")[0].partition(":")
        names = re.sub(r"\[[^]]*\]", " ", services).split()
        foreign = [name for name in names if colon and name not in libraries and name not in BUILT_IN]
        database = database.strip()
        # Who else is asked first may answer for root.
        late = database in ("passwd", "group", "shadow", "gshadow", "sudoers") and names and names[0] not in ("files", "compat")
        for name in foreign or ([names[0]] if late else []):
            found = in_one_line(
                f"{line.strip()}: '{name}' is of no package" if foreign else f"{line.strip()}: '{name}' before files"
            )
            way_out = f"take '{name}' out of the line '{database}:' of /etc/nsswitch.conf"
            title = f"/etc/nsswitch.conf: {database} {name}"
            yield Finding(TOPIC, in_one_line(title), found, "services of packages, files first", in_one_line(way_out), "error")


def _hosts(host: Host) -> Iterator[Finding]:
    for line in (host.text("/etc/hosts") or "").splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        for name in names:
            plain = name.lower().rstrip(".")
            world = any(plain == known or plain.endswith(f".{known}") for known in WORLD)
            if world or (plain == "localhost" and not LOOPBACK.fullmatch(address)):
                expected = "what DNS says" if world else "127.0.0.1 or ::1"
                way_out = f"take {name} out of /etc/hosts"
                title, found = f"/etc/hosts: {plain}", f"{name} leads to {address}"
                yield Finding(TOPIC, in_one_line(title), in_one_line(found), expected, in_one_line(way_out), "error")


def _resolver(host: Host) -> Iterator[Finding]:
    """Everybody may have another resolver than the packages': only whose file it is matters."""
    for path in ("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/environment", "/etc/shells", "/etc/login.defs"):
        odd = record(host).oddity(host, path)
        target = link_target(host, path)
        if odd and odd.kind == "open":
            yield odd.told(TOPIC, path, "error")
        elif target.startswith(PERSONAL):
            found, way_out = f"a link to {in_one_line(target)}", f"rm {path}, and make it again"
            yield Finding(TOPIC, path, found, "a file in a place of root", way_out, "error")


def _wrappers(host: Host) -> Iterator[Finding]:
    """Lines of hosts_access(5), which may start programs (hosts_options(5)). Debian has comments only."""
    for path in ("/etc/hosts.allow", "/etc/hosts.deny"):
        for line in re.sub(r"\\\n", " ", host.text(path) or "").splitlines():
            if line.strip() and not line.startswith("#"):
                severity: Severity = "error" if re.search(r":\s*(?:spawn|twist|setenv|aclexec)\b|\(", line) else "warning"
                title = in_one_line(f"{path}: {line.strip()[:120]}")
                yield Finding(
                    TOPIC, title, "a rule for who may connect", "no rules; the firewall has them", f"edit {path}", severity
                )


def _shells(host: Host) -> Iterator[Finding]:
    known = record(host)
    for line in (host.text("/etc/shells") or "").splitlines():
        path = line.strip()
        if path.startswith("/") and host.status(path) and not known.owner(path) and not known.owner(link_target(host, path)):
            title, way_out = f"/etc/shells: {path}", f"remove-shell {path}"
            expected = "shells of packages"
            yield Finding(TOPIC, in_one_line(title), "a login shell of no package", expected, in_one_line(way_out))
