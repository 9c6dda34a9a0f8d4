# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where apt may get packages, whose signatures it believes, and what it runs. Private to this collection.

A source is the distribution's if its index says so (Origin), and only keys that packages brought can have signed that. So a
mirror needs no declaration, and a name proves nothing.
"""

from __future__ import annotations

import re
import stat
import typing as t
from collections.abc import Iterator, Mapping

from .._host import dpkg
from .._nvidia import apt_sources
from .._text.escapes import in_one_line, listing
from .._text.secrets import mask_urls
from .declared import Declared
from .finding import Finding
from .host import Host
from .packages import RECORD_LIMIT, Record, record

TOPIC = "apt sources"
Severity = t.Literal["error", "warning", "notice"]
LISTS = "/var/lib/apt/lists"
DISTRIBUTIONS = ("Debian", "Debian Backports", "Ubuntu", "Raspbian")
# Enough for a source of which apt has no index yet.
DISTRIBUTORS = re.compile(r"[a-z+]+://(?:[^/@]*@)?(?:[a-z0-9-]+\.)*(?:debian\.org|ubuntu\.com)(?::\d+)?(?:/.*)?", re.IGNORECASE)

OURS = tuple(
    map(
        re.compile,
        (
            # Either name of the role `nvidia`: that of today, and the former one.
            r"/etc/apt/sources\.list\.d/(?:research-server|openlab)-nvidia\.sources",
            r"/etc/apt/keyrings/(?:research-server|openlab)-nvidia(?:-containers)?\.(?:gpg|asc)",
            r"/etc/apt/preferences\.d/(?:research-server|openlab)-nvidia",
        ),
    )
)

# sources.list(5), and apt.conf(5) for the rest: what makes apt take packages that nobody has signed, or that are old.
LAX = ("trusted", "allow-insecure", "allow-weak", "allow-downgrade-to-insecure")
STRICT = ("check-valid-until", "check-date")
INSECURE = re.compile(
    r"\b(AllowUnauthenticated|AllowInsecureRepositories|AllowWeakRepositories|AllowDowngradeToInsecureRepositories"
    r"|Force-yes)\b[\s\"]*(?:true|yes|1|on)\b|\b(Verify-Peer|Verify-Host|Check-Valid-Until|Check-Date)\b[\s\"]*(?:false|no|0|off)\b",
    re.IGNORECASE,
)
RUNS = re.compile(
    r"\b(Pre-Invoke|Post-Invoke|Post-Invoke-Success|Post-Invoke-Stats|Pre-Install-Pkgs|Proxy-?Auto-?Detect|Dir::Bin|Dir::Etc"
    r"|Sandbox::User)\b",
    re.IGNORECASE,
)
# Where debconf and installers write it, and whether a lab wants it is its own decision.
OF_UPDATES = ("/etc/apt/apt.conf.d/10periodic", "/etc/apt/apt.conf.d/20auto-upgrades")
NO_UPDATES = re.compile(r"APT::Periodic::(?:Enable|Unattended-Upgrade|Update-Package-Lists)\s+\"0\"", re.IGNORECASE)
DPKG_RUNS = re.compile(r"^\s*(pre-invoke|post-invoke|status-logger|admindir|instdir|root)\b", re.MULTILINE)
# Docker's images of Debian come with a file that empties apt's cache, and that no package owns.
EMPTIES_CACHE = re.compile(r"\"rm -f (?:/var/cache/apt/[A-Za-z0-9_/*.-]+ ?)+\|\| true\";?")
# Empty keyrings: of nothing, and of a keybox's header alone.
EMPTY_KEYRINGS = (0, 32)


def find(host: Host, _declared: Declared) -> Iterator[Finding]:
    known = record(host)
    if not known.known:
        return
    yield from _sources(host, known)
    yield from _keys(host, known)
    yield from _settings(host, known)
    yield from _held(host)
    for path in _in_folder(host, "/etc/apt/preferences", r"[A-Za-z0-9_.-]+\.pref|[A-Za-z0-9_-]+"):
        odd = known.oddity(host, path, OURS)
        if odd:
            yield odd.told(TOPIC, path, "warning")


def _in_folder(host: Host, path: str, names: str) -> Iterator[str]:
    """A file of apt, and those in the folder beside it that apt reads."""
    yield path
    for name in host.names(f"{path}.d"):
        if re.fullmatch(names, name):
            yield f"{path}.d/{name}"


def _sources(host: Host, known: Record) -> Iterator[Finding]:
    origins = _origins(host)
    for path in _in_folder(host, "/etc/apt/sources.list", r"[A-Za-z0-9_.-]+\.(?:list|sources)"):
        odd = known.oddity(host, path, OURS)
        if odd and odd.kind == "open":
            yield odd.told(TOPIC, path, "error")
        text = host.text(path)
        if text is None:
            if host.status(path):
                yield Finding(TOPIC, in_one_line(path), "no regular file", "a file", in_one_line(f"rm {path}"))
            continue
        parse = apt_sources.parse_sources if path.endswith(".sources") else apt_sources.parse_list
        ours = any(pattern.fullmatch(path) for pattern in OURS)
        for source in parse(text):
            for uri, suite in ((uri, suite) for uri in source["uris"] for suite in source["suites"]):
                why = "" if ours or uri.startswith("cdrom:") else _foreign(known, source, uri, suite, origins)
                if why and not _mirrors(host, uri):
                    found, way_out = f"in {path}: {why}", f"take it out of {path}, and run apt-get update"
                    expected = "sources of the distribution and of the role nvidia"
                    name = mask_urls(f"{uri} {suite}")
                    yield Finding(TOPIC, in_one_line(name), in_one_line(found), expected, in_one_line(way_out), "error")
        for option in _lax(text, deb822=path.endswith(".sources")):
            found, way_out = "apt takes packages without a valid signature", f"take {option} out of {path}"
            yield Finding(TOPIC, in_one_line(f"{path}: {option}"), found, "no such option", in_one_line(way_out), "error")


def _foreign(known: Record, source: Mapping[str, t.Any], uri: str, suite: str, origins: Mapping[str, str]) -> str:
    """Why a source is not the distribution's; empty if it is."""
    signed = str(source.get("signed-by", ""))
    if "BEGIN PGP" in signed:
        return "its key is in the source itself"
    for word in re.split(r"[\s,]+", signed):
        if word.startswith("/") and not known.owner(word):
            return f"its key is {word}, of no package"
    one, origin = {**source, "uris": [uri]}, origins.get(apt_sources.list_prefix(uri, suite))
    if origin is None and origins:
        return "" if DISTRIBUTORS.fullmatch(uri) else "apt has no index of it, so nobody knows whose it is"
    # Where apt has no index at all, as in an image, there is but the name.
    if any(apt_sources.of_distribution(one, suite, name, origins) for name in DISTRIBUTIONS):
        return ""
    return f"its index is of {origin}" if origin else "nobody knows whose it is"


def _mirrors(host: Host, uri: str) -> bool:
    """Whether it is a list of mirrors (apt-transport-mirror(1)) of the distributor's: Debian's images for clouds have such."""
    scheme, _colon, path = uri.partition(":")
    lines = (host.text(path) or "").split() if scheme == "mirror+file" else []
    return bool(lines) and all(map(DISTRIBUTORS.fullmatch, lines))


def _origins(host: Host) -> dict[str, str]:
    found = {}
    for name in host.names(LISTS):
        match = (
            re.search(r"^Origin: (.+)$", host.text(f"{LISTS}/{name}") or "", re.MULTILINE) if name.endswith("Release") else None
        )
        if match:
            # A local source's name begins with the slash of its path; `list_prefix` leaves that out.
            found[re.sub(r"_(In)?Release$", "", name).lstrip("_")] = match.group(1).strip()
    return found


def _lax(text: str, *, deb822: bool) -> Iterator[str]:
    if deb822:
        pairs = [pair for fields in dpkg.stanzas(text) if _enabled(fields) for pair in fields.items()]
    else:
        options = " ".join(re.findall(r"^\s*deb(?:-src)?\s+\[([^]]*)\]", text, re.MULTILINE)).split()
        pairs = [(key.lower(), value) for key, _equals, value in (option.partition("=") for option in options)]
    for name, value in dict.fromkeys((name, value.lower()) for name, value in pairs):
        on = value in ("yes", "true", "1", "on", "with", "enable")
        if (name in LAX and on) or (name in STRICT and value in ("no", "false", "0", "off", "without", "disable")):
            yield f"{name}={value}"


def _enabled(fields: Mapping[str, str]) -> bool:
    return fields.get("enabled", "yes").lower() not in ("no", "false", "0")


def _keys(host: Host, known: Record) -> Iterator[Finding]:
    """A key in trusted.gpg.d counts for each source that names none (apt-secure(8)); one in a keyring for those that name it."""
    trusted = _in_folder(host, "/etc/apt/trusted.gpg", r"[A-Za-z0-9_.-]+\.(?:gpg|asc)")
    keyrings = [
        f"{folder}/{name}"
        for folder in ("/etc/apt/keyrings", "/usr/share/keyrings")
        for name in host.names(folder)
        if not name.endswith("~")
    ]
    rows: list[tuple[str, Severity]] = [(path, "error") for path in trusted]
    rows += [(path, "warning") for path in keyrings]
    for path, severity in rows:
        status = host.status(path)
        odd = known.oddity(host, path, OURS)
        if odd and status and not (stat.S_ISREG(status.st_mode) and status.st_size in EMPTY_KEYRINGS):
            yield odd._replace(found=f"{odd.found}, with keys that apt trusts").told(TOPIC, path, severity)


def _settings(host: Host, known: Record) -> Iterator[Finding]:
    for path in _in_folder(host, "/etc/apt/apt.conf", r"[A-Za-z0-9_.-]+\.conf|[A-Za-z0-9_-]+"):
        odd = known.oddity(host, path)
        text = _without_comments(host.text(path) or "")
        if odd and odd.kind != "foreign":
            yield odd.told(TOPIC, path, "error" if RUNS.search(text) else "warning")
        insecure = sorted({(match[1] or match[2]).lower() for match in INSECURE.finditer(text)})
        if odd and odd.kind == "foreign" and path not in OF_UPDATES and NO_UPDATES.search(text):
            found, way_out = "nobody installs security updates by themselves", f"rm {path}"
            yield Finding(
                TOPIC, in_one_line(f"{path}: no updates"), found, "as unattended-upgrades is set up", in_one_line(way_out)
            )
        for name in insecure if odd else ():
            found, way_out = "apt checks less than it does by default", f"take {name} out of {path}"
            yield Finding(TOPIC, in_one_line(f"{path}: {name}"), found, "no such setting", in_one_line(way_out), "error")
        hooks = [line.strip() for line in EMPTIES_CACHE.sub("", text).splitlines() if re.search(r"\"[^\"]*\"", line)]
        runs = sorted({match[1].lower() for match in RUNS.finditer(text)})
        if odd and odd.kind == "foreign" and runs and hooks:
            name, found = (
                f"{path}: {', '.join(runs)}",
                f"apt runs or reads something else: {listing([hook[:120] for hook in hooks], 3)}",
            )
            yield Finding(TOPIC, in_one_line(name), found, "hooks of packages", in_one_line(f"rm {path}"), "error")
    for path in _in_folder(host, "/etc/dpkg/dpkg.cfg", r"[A-Za-z0-9_-]+"):
        odd = known.oddity(host, path)
        runs = sorted({match[1] for match in DPKG_RUNS.finditer(host.text(path) or "")})
        if odd and (runs or odd.kind == "open"):
            way_out = in_one_line(f"rm {path}") if odd.kind == "foreign" else odd.way_out
            yield odd._replace(found=f"{odd.found}: {', '.join(runs)}", way_out=way_out).told(TOPIC, path, "error")


def _held(host: Host) -> Iterator[Finding]:
    """What is on hold gets no security updates (apt-mark(8))."""
    for name in dpkg.held(host.text(dpkg.STATUS, RECORD_LIMIT) or ""):
        found, expected = "on hold: apt does not update it, not even for security", "packages that are updated"
        yield Finding(TOPIC, in_one_line(f"hold of {name}"), found, expected, in_one_line(f"apt-mark unhold {name}"))


def _without_comments(text: str) -> str:
    """As apt.conf(5) has them; `#clear` and `#include` are none, and `http://` neither."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return re.sub(r"(?m)(?:^|(?<=\s))(?://|#(?!clear|include)).*$", "", text)
