# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is served, to whom, and what is wrong with that: sites as data. Pure. Private to this collection."""

from __future__ import annotations

import collections
import ipaddress
import re
import typing as t
from collections.abc import Collection, Iterable, Mapping

from .._host import networks

NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
# RFC 1123. No wildcard: every name that is answered is written down.
SERVER_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
# In nginx's table of names there is room for this much, and its size is set once for all sites, also other people's
# (server_names_hash_bucket_size).
LONGEST_NAME = 46
# What ends in digits is no name to a browser (WHATWG URL, host parsing), and has no place in a TLS handshake (RFC 6066).
ADDRESS = re.compile(r"(.*\.)?[0-9]+")
# As it stands in nginx's configuration and in people's browsers; no sign of it has to be escaped in either.
PATH = re.compile(r"/([A-Za-z0-9_~][A-Za-z0-9._~-]*/)*")
FILE = re.compile(r"/[A-Za-z0-9._/@+-]*[A-Za-z0-9._@+-]")
# sun_path of unix(7), and the zero at its end.
LONGEST_SOCKET = 107
USER = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
# Of crypt(5), those that nobody tries fast: yescrypt, bcrypt, SHA-512.
HASH = re.compile(r"\$(y\$[./A-Za-z0-9]+\$[./A-Za-z0-9]+\$|2[aby]\$\d\d\$|6\$(rounds=\d+\$)?[./A-Za-z0-9]+\$)[./A-Za-z0-9]+")
# Of a certificate, as openssl prints it.
SERIAL = re.compile(r"[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){0,31}")
AUTHS = ("basic", "certificate", "hub", "none")
# People's JupyterLabs, below one path: JupyterHub's addresses.
JUPYTER, JUPYTER_PATH = "jupyter", "/user/"
# Those of whoever has none: a place below that path, and nothing in it.
NOBODYS = "nobody"
# Their login page: JupyterHub, which has its socket from systemd.
HUB, HUB_PATH, HUB_SOCKET = "hub", "/hub/", "/run/jupyterhub.sock"
# Answers that are no site's: the proof that the running nginx has read this configuration.
PROOF = "/.research-server"


class Site(t.NamedTuple):
    """One path, and what is behind it."""

    name: str
    kind: str
    target: str
    path: str
    auth: str
    networks: tuple[str, ...]
    users: tuple[str, ...]
    """Who may come in; nobody is asked where `auth` is none."""
    lab: bool = False
    """It is somebody's JupyterLab, of those behind one site."""


def sites_of(
    entries: Iterable[Mapping[str, t.Any]], known: Mapping[str, Collection[str]], labs: Mapping[str, str] | None = None
) -> list[Site]:
    """`known`: for each kind of authentication everybody who has what it takes. `labs`: whose JupyterLab is where, all of whom
    the hub knows.

    The site of all JupyterLabs becomes one for each person, who alone may come in: to a browser all are one origin, and the page
    of one could use another's. Last comes one for everybody else: a stranger who asks for a name learns nothing of whose it is.
    """
    found: list[Site] = []
    known = {**known, HUB: [*(labs or ())]}
    for site in (_site(entry, known) for entry in entries):
        found += [site] if site.kind != JUPYTER or labs is None else _each(site, labs)
    return found


def _each(site: Site, labs: Mapping[str, str]) -> t.Iterator[Site]:
    for person in site.users:
        if person in labs:
            kind, _colon, target = labs[person].partition(":")
            yield site._replace(
                name=f"{site.name}.{person}", kind=kind, target=target, path=f"{site.path}{person}/", users=(person,), lab=True
            )
    yield site._replace(kind=NOBODYS, users=(), lab=True)


def _site(entry: Mapping[str, t.Any], known: Mapping[str, Collection[str]]) -> Site:
    kind, _colon, target = str(entry["to"]).partition(":")
    everybody = known.get(entry["auth"], ())
    users = sorted(set(map(str, entry.get("users") or everybody)))
    # Ansible takes one text for a list of one, too.
    sources = [entry["from"]] if isinstance(entry.get("from"), str) else entry.get("from") or ()
    allowed = tuple(_network(str(source)) for source in sources)
    return Site(str(entry["name"]), kind, target, str(entry["path"]), str(entry["auth"]), allowed, tuple(users))


def _network(text: str) -> str:
    """As nginx takes it, and the firewall reads it; unchanged what is neither."""
    network = _parsed(text)
    if network is None:
        return text
    return str(network.network_address if network.num_addresses == 1 else network)


def _parsed(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """No address has a zone in nginx."""
    return None if "%" in text else networks.parse(text)


def problems(
    entries: Iterable[Mapping[str, t.Any]], known: Mapping[str, Collection[str]], ports: Collection[int] = ()
) -> list[str]:
    """One sentence for each: found, expected, what to do. On `ports` nginx itself listens."""
    sites = sites_of(entries, known)
    found = []
    for site in sites:
        found += [f"proxy_sites, entry {site.name}: {said}" for said in _problems_of(site, known)]
        if site.kind == "port" and site.target in map(str, ports):
            found.append(
                f"proxy_sites, entry {site.name}: to: found 'port:{site.target}', where this web server itself listens; expected "
                "the port of the program that is behind it; correct it"
            )
    for what, values in (("name", [site.name for site in sites]), ("path", [site.path for site in sites])):
        found += _repeated(f"proxy_sites: found the {what}", values, f"give each site a {what} of its own")
    return [*found, *_one_origin(sites), *_in_others_place(sites)]


def _one_origin(sites: Iterable[Site]) -> list[str]:
    """Pages of a folder get an origin of their own; those of a program cannot, as it may need what it keeps in the browser."""
    kinds = {site.kind: site.name for site in sites}
    beside = sorted(kinds[kind] for kind in ("port", "socket") if kind in kinds)
    if JUPYTER not in kinds or not beside:
        return []
    return [
        f"proxy_sites, entry {kinds[JUPYTER]}: found {', '.join(beside)} beside people's JupyterLabs; expected them to be alone, "
        "or beside folders: to a browser all paths of a server are one, so a page of the other program could use its visitor's "
        "JupyterLab. Serve one of them on another host"
    ]


def _in_others_place(sites: Iterable[Site]) -> t.Iterator[str]:
    """The longest path that fits counts, so a site there would take its part of what is whole."""
    sites = list(sites)
    places = [(HUB_PATH, "JupyterHub's login page is")] if any(site.auth == HUB for site in sites) else []
    places += [(JUPYTER_PATH, "people's JupyterLabs are")] if any(site.kind == JUPYTER for site in sites) else []
    for site in sites:
        for path, what in places:
            if site.path.startswith(path) and (path, site.kind) != (JUPYTER_PATH, JUPYTER):
                yield f"proxy_sites, entry {site.name}: path: found '{site.path}', where {what}; expected another"


def _problems_of(site: Site, known: Mapping[str, Collection[str]]) -> t.Iterator[str]:
    if not NAME.fullmatch(site.name):
        yield f"name: found '{site.name}'; expected small letters, digits and '-', beginning with a letter; correct it"
    if not PATH.fullmatch(site.path) or site.path.startswith(PROOF):
        yield (
            f"path: found '{site.path}'; expected a path such as '/wiki/' or '/', with '/' at both ends, of letters, digits and "
            "any of '._~-'; correct it"
        )
    yield from _target_problems(site)
    for network in site.networks:
        if _parsed(network) is None:
            yield f"from: found '{network}'; expected an address or a network such as 192.0.2.0/24; correct it"
    if site.auth == HUB:
        # Whom it knows, the role jupyterhub says.
        if site.kind != JUPYTER:
            yield "auth: found 'hub'; expected it with 'to: jupyter' alone; choose 'certificate' or 'basic'"
        return
    if site.auth != "none" and not site.users:
        yield (
            f"found nobody who could come in; expected people in proxy_{_LIST[site.auth]}; name them there, or set 'auth: none' "
            "if everybody in 'from' may"
        )
    if site.auth == "none" and site.users:
        yield "users: found some with 'auth: none', where nobody is asked; expected another 'auth', or no 'users'"
    elif unknown := [user for user in site.users if user not in known.get(site.auth, ())]:
        yield f"users: found {', '.join(unknown)}; expected names of proxy_{_LIST[site.auth]}; add them there, or take them out"


_LIST = {"basic": "passwords", "certificate": "people"}


def _target_problems(site: Site) -> t.Iterator[str]:
    whole = f"{site.kind}:{site.target}" if site.target else site.kind
    if whole == JUPYTER:
        if site.path != JUPYTER_PATH:
            yield f"path: found '{site.path}'; expected '{JUPYTER_PATH}', below which people's JupyterLabs are; correct it"
        if site.auth == "none":
            yield (
                "auth: found 'none'; expected 'hub', 'certificate' or 'basic': to a browser all JupyterLabs of a server are "
                "one, so nobody may see another's page; correct it"
            )
    elif site.kind == "port":
        if not (site.target.isascii() and site.target.isdigit() and 1 <= int(site.target) <= 65535):
            yield f"to: found '{whole}'; expected port: and a TCP port of the loopback address, such as 'port:8000'; correct it"
    elif site.kind in ("socket", "folder"):
        if not FILE.fullmatch(site.target) or ".." in site.target.split("/"):
            yield f"to: found '{whole}'; expected {site.kind}: and an absolute path, such as '{_EXAMPLES[site.kind]}'; correct it"
        elif site.kind == "socket" and len(site.target) > LONGEST_SOCKET:
            yield f"to: found '{whole}'; expected a path of at most {LONGEST_SOCKET} bytes (unix(7)); choose a shorter one"
    else:
        yield f"to: found '{whole}'; expected {', '.join([JUPYTER, *_EXAMPLES.values()])} or the like; correct it"


_EXAMPLES = {"port": "port:8000", "socket": "socket:/run/app.sock", "folder": "folder:/srv/www"}


def serial(text: str) -> str:
    """As nginx and OpenSSL write it."""
    return text.replace(":", "").upper()


def revoked_problems(serials: Iterable[t.Any]) -> list[str]:
    return [
        f"proxy_revoked: found {text!r}; expected the serial number of a certificate, in quotes, as in people.txt beside "
        "ca.crt, or behind 'serial=' of 'openssl x509 -in web.pem -noout -serial'; correct it"
        for text in serials
        if not (isinstance(text, str) and SERIAL.fullmatch(text))
    ]


def name_problems(names: Collection[str]) -> list[str]:
    if not names:
        return ["proxy_names: found none; expected the name that people type, such as lab.example.org; add it"]
    found = [
        f"proxy_names: found '{name}'; expected a name of the server in small letters, such as lab.example.org, and no address; "
        "correct it"
        for name in dict.fromkeys(names)
        if not SERVER_NAME.fullmatch(name) or ADDRESS.fullmatch(name)
    ]
    found += [
        f"proxy_names: found '{name}', {len(name)} characters; expected at most {LONGEST_NAME}, as many as nginx has room for; "
        "put a shorter one into proxy_names"
        for name in dict.fromkeys(names)
        if len(name) > LONGEST_NAME and SERVER_NAME.fullmatch(name)
    ]
    return found + _repeated("proxy_names: found", names, "take one out")


def _repeated(found: str, values: Iterable[str], advice: str) -> list[str]:
    counted = collections.Counter(values)
    return [f"{found} '{value}' {count} times; expected it once; {advice}" for value, count in counted.items() if count > 1]


def user_problems(passwords: Mapping[str, str], people: Iterable[str]) -> list[str]:
    """No sentence has a password in it."""
    found = []
    for variable, names in (("proxy_passwords", passwords), ("proxy_people", people)):
        found += [
            f"{variable}: found the name {name!r}; expected a login name: small letters, digits, '_', '-' and '.'; correct it"
            for name in names
            if not USER.fullmatch(str(name))
        ]
    found += [
        f"proxy_passwords: {name}: expected a hash of crypt(5) that begins with $y$, $2b$ or $6$; never the password itself, and "
        "none of an older kind. Make one with 'mkpasswd --method=yescrypt'"
        for name, value in passwords.items()
        if not HASH.fullmatch(str(value))
    ]
    return found
