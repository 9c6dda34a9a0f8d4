# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's configuration for sites. Pure: data in, text out. Private to this collection."""

from __future__ import annotations

import hashlib
import re
import typing as t
from collections.abc import Iterable, Sequence

from . import acme
from .sites import HUB, HUB_PATH, HUB_SOCKET, JUPYTER_PATH, NOBODYS, PROOF, Site

FOLDER = "/etc/nginx/research-server"
CONFIG = "/etc/nginx/conf.d/research-server.conf"
CERTIFICATE = f"{FOLDER}/server.crt"
KEY = f"{FOLDER}/server.key"
AUTHORITY = f"{FOLDER}/authority.crt"
LOG = "/var/log/nginx/research-server.log"
FAILED_LOG = "/var/log/nginx/research-server-failed.log"
ERROR_LOG = "/var/log/nginx/research-server-error.log"
LOGS = (LOG, FAILED_LOG, ERROR_LOG)
HEADER = "Managed by Ansible, role openlab.research_server.proxy. The next run undoes what is changed here."
# From here on HTTP/2 is a directive of its own (nginx.org, ngx_http_v2_module).
HTTP2_DIRECTIVE = (1, 25, 1)
HTTPS = 443

# Names of all variables and zones begin so: other people's sites share them with us.
OWN = "research_server"

# What holds for all requests. A line of the access log has neither what stands behind the '?' nor where somebody came from: there
# are tokens in both. A failed login is logged without a word of its own: whoever tries chooses nothing that fail2ban reads.
# Logins are counted for an address; of IPv6 for its network, of which somebody has all addresses (64 bits, as far as the text of
# RFC 5952 shows them), and of loopback for all of it, where everybody on the host has millions.
SHARED = """\
# {header}
map $http_upgrade ${own}_connection {{ default upgrade; "" ""; }}
map $http_authorization ${own}_token {{ default ""; "~*^(token|bearer) " $http_authorization; }}
map $http_origin ${own}_foreign {{ default 1; "" 0; {origins}}}
map $request_uri ${own}_crooked {{ default 0; "~*^[^?]*(/|%2f|%5c|\\x5c)(\\.|%2e)(\\.|%2e)(/|%2f|%5c|\\x5c|\\?|$)" 1; }}
map $http_accept ${own}_page {{ default 0; "~text/html" 1; }}
map $remote_addr ${own}_from {{ default $binary_remote_addr; "~^127\\." 127; "~^(?<{own}_net>([0-9a-f]+:){{1,4}})" ${own}_net; }}
map "$request_method $uri" ${own}_login {{ default ""; "~^POST .*/login/?$" ${own}_from; }}
map "$status $upstream_status $request_method $uri" ${own}_refused {{ default 0; {refused}}}
map "$status $upstream_status $remote_user" ${own}_failed {{ default ${own}_refused; "~^401  ." 1; }}
limit_req_zone ${own}_login zone={own}_login:1m rate=1r/s;
limit_req_zone $binary_remote_addr zone={own}_basic:1m rate=20r/s;
log_format {own} '$remote_addr $remote_user [$time_iso8601] "$request_method $uri $server_protocol" '
    '$status $body_bytes_sent "$http_user_agent"';
log_format {own}_failed '$time_iso8601 $remote_addr failed login';
"""

# Mozilla's intermediate profile (wiki.mozilla.org/Security/Server_Side_TLS). Curves come from the default server alone, so it has
# all of this as well.
TLS = """\
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_prefer_server_ciphers off;
    ssl_ecdh_curve X25519:prime256v1:secp384r1;
    ssl_session_timeout 1d;
    ssl_session_cache shared:{own}:10m;
    ssl_session_tickets off;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;
"""

# A name that nobody has written down gets no handshake, or, behind a handshake for another name, no page.
STRANGERS = """\
server {{
{listen}{tls}    ssl_reject_handshake on;
    server_tokens off;
    return 421;
}}
"""

# nginx's error log has whole requests, tokens included: only what is no request's fault goes there.
SERVER = """\
server {{
{listen}{tls}    server_name {names};
    ssl_certificate {certificate};
    ssl_certificate_key {key};
{clients}    access_log {log} {own};
    access_log {failed_log} {own}_failed if=${own}_failed;
    error_log {error_log} alert;
    server_tokens off;
    absolute_redirect off;
    client_max_body_size 0;
    client_body_timeout 300s;
    limit_req_status 429;
{headers}    if (${own}_foreign) {{ return 403; }}
    if (${own}_crooked) {{ return 400; }}
    location = {proof} {{
        access_log off;
        default_type text/plain;
        if ($remote_addr !~ "^(127\\.|::1$)") {{ return 404; }}
        return 200 {digest};
    }}
{locations}}}
"""

# An authority comes by http, to each name (RFC 8555, 8.3). Everybody else is sent to where the sites are.
CHALLENGE = """\
server {{
{listen}    server_name {names};
    server_tokens off;
    access_log off;
    location ^~ /.well-known/acme-challenge/ {{
        root {webroot};
        default_type text/plain;
    }}
    location / {{ return 301 https://$host{suffix}$request_uri; }}
}}
"""

CLIENTS = """\
    ssl_client_certificate {authority};
    ssl_verify_client optional;
    ssl_verify_depth 1;
"""

HEADERS = {
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Beside that of the program behind it: a browser obeys both.
POLICY, FRAMES = "Content-Security-Policy", "frame-ancestors 'self'"
# Of files beside people's JupyterLabs: whoever writes a page there cannot have a visitor's browser use the visitor's.
SANDBOX = f"{FRAMES}; sandbox allow-scripts allow-forms allow-popups allow-downloads"

# What programs believe of a proxy. This one tells none of it, and nobody else shall.
TOLD_BY_PROXIES = ("Forwarded", "X-Scheme", "Remote-User", "X-Remote-User", "X-Forwarded-User", "X-Forwarded-Email")
# By which the hub learns whose JupyterLab is asked for, and that JupyterLab, that the hub lets its visitor in.
PERSON, DOOR = "X-Research-Server-Person", "X-Research-Server-Door"
MAY = f"{PROOF}/may"

# Websockets, and answers that come in pieces; uploads go through as they come, into no file of ours.
UPSTREAM = """\
        proxy_pass {target};
        proxy_http_version 1.1;
        proxy_set_header Host {host};
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host {host};
{told}        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection ${own}_connection;
{authorization}        proxy_request_buffering off;
        proxy_buffering off;
        proxy_read_timeout 300s;
        proxy_send_timeout 300s;
        proxy_cookie_flags ~ secure;
{hidden}"""

# Of what the hub is sent: it keeps all of that in its memory, and anybody may send it something.
MOST_TO_HUB = "64k"
# A login that the hub has refused, as the log has it. Who does not wait for the no, since a yes would have come at once, has been
# refused all the same: nginx waits in their place.
REFUSED = f'"403 403 POST {HUB_PATH}login" 1; '
# The hub is asked before each request to somebody's JupyterLab: without its yes nothing goes on. Whoever comes for a page
# is sent to it to log in, all else is told that it may not.
LOGIN = """\
    location ^~ {path} {{
        client_max_body_size {most};
        proxy_ignore_client_abort on;
{lines}{upstream}    }}
    location = {may} {{
        internal;
        proxy_pass http://unix:{socket}:{path}lab/may;
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
        proxy_set_header Authorization "";
        proxy_set_header Host {host};
        proxy_set_header {person} ${own}_person;
        proxy_read_timeout 300s;
    }}
    location @{own}_enter {{
        if (${own}_page = 0) {{ return 401; }}
        return 302 {path}lab?next=$request_uri;
    }}
"""
BY_HUB = """\
        if ($uri ~ "^{path}[^/]+/logout$") {{ return 302 {hub}logout; }}
        set ${own}_person {person};
        auth_request {may};
        auth_request_set ${own}_door $upstream_http_{door};
        error_page 401 = @{own}_enter;
"""

# Whoever may write in the folder cannot have nginx read what lies elsewhere.
FILES = """\
        alias {folder}/;
        disable_symlinks on from={folder};
        index index.html;
        limit_except GET {{ deny all; }}
"""


class Server(t.NamedTuple):
    """What all sites have in common."""

    names: Sequence[str]
    port: int
    version: tuple[int, ...]
    ipv6: bool
    certificate: str
    """The text: another certificate is another configuration. Empty of one that certbot renews."""
    files: tuple[str, str] = (CERTIFICATE, KEY)
    """Where the certificate and its key are."""
    webroot: str = ""
    """The folder of what an authority asks for by ACME; empty for none."""
    revoked: Sequence[str] = ()
    """Serial numbers of people's certificates that open nothing any more."""


def render(server: Server, sites: Sequence[Site]) -> str:
    """The text of the file. In it is a digest of all it says, which the running nginx tells."""
    text = _render(server, sites, "@")
    return _render(server, sites, hashlib.sha256((text + server.certificate).encode()).hexdigest())


def render_challenge(server: Server) -> str:
    """The text of the file before there is a certificate: nothing is served but what the authority asks for."""
    return f"# {HEADER}\n{_challenge(server)}"


def _challenge(server: Server) -> str:
    places = [str(acme.HTTP), *([f"[::]:{acme.HTTP}"] if server.ipv6 else [])]
    listen = _lines(f"    listen {place};" for place in places)
    return CHALLENGE.format(listen=listen, names=" ".join(server.names), webroot=server.webroot, suffix=_suffix(server))


def _suffix(server: Server) -> str:
    return "" if server.port == HTTPS else f":{server.port}"


def digest(text: str) -> str:
    found = re.search(r"return 200 ([0-9a-f]{64});", text)
    return found[1] if found else ""


def version(said: str) -> tuple[int, ...]:
    """Of ``nginx -v``; the newest where it does not say."""
    found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else (99,)


def password_file(site: Site) -> str:
    return f"{FOLDER}/{site.name}.htpasswd"


def _render(server: Server, sites: Sequence[Site], digest: str) -> str:
    suffix = _suffix(server)
    # Expressions: the table that nginx makes of whole texts has no room for a long one (map_hash_bucket_size).
    origins = "".join(f'"~*^https://{re.escape(name)}{suffix}$" 0; ' for name in server.names)
    maps = "".join(_people(number, site) for number, site in enumerate(sites) if site.auth == "certificate")
    maps = _revoked(server.revoked) + maps if maps else ""
    listen, own_tls = _listen(server), TLS.format(own=OWN)
    labs = any(site.lab for site in sites)
    locations = "".join(_location(number, site, suffix, sandboxed=labs) for number, site in enumerate(sites))
    behind_hub = [site for site in sites if site.auth == HUB]
    if behind_hub:
        locations += _login(behind_hub, suffix)
    if all(site.path != "/" for site in sites):
        locations += f"    location = / {{ return 302 {HUB_PATH}; }}\n" if behind_hub else ""
        locations += "    location / { return 404; }\n"
    return (
        SHARED.format(header=HEADER, own=OWN, origins=origins, refused=REFUSED if behind_hub else "")
        + maps
        + (_challenge(server) if server.webroot else "")
        + STRANGERS.format(listen=listen.format(default=" default_server"), tls=own_tls)
        + SERVER.format(
            listen=listen.format(default=""),
            tls=own_tls,
            names=" ".join(server.names),
            certificate=server.files[0],
            key=server.files[1],
            clients=CLIENTS.format(authority=AUTHORITY) if maps else "",
            log=LOG,
            failed_log=FAILED_LOG,
            error_log=ERROR_LOG,
            own=OWN,
            headers=_headers("    ", FRAMES),
            proof=PROOF,
            digest=digest,
            locations=locations,
        )
    )


def _listen(server: Server) -> str:
    """Lines with a place for what the default server says more."""
    directive = server.version >= HTTP2_DIRECTIVE
    places = [str(server.port), *([f"[::]:{server.port}"] if server.ipv6 else [])]
    lines = [f"    listen {place} ssl{'' if directive else ' http2'}{{default}};" for place in places]
    return _lines([*lines, *(["    http2 on;"] if directive else [])])


def _people(number: int, site: Site) -> str:
    """Whose certificates open a site: the whole subject, so that nobody is taken for somebody with a longer name."""
    lines = "".join(f'"SUCCESS CN={user}" 1; ' for user in site.users)
    return f'map "${OWN}_verify $ssl_client_s_dn" ${OWN}_may_{number} {{ default 0; {lines}}}\n'


def _revoked(serials: Iterable[str]) -> str:
    """No list of the authority's (CRL): one that has ended would shut everybody out, and a new one takes its key."""
    lines = "".join(f'"{serial}" REVOKED; ' for serial in sorted(set(serials)))
    return f"map $ssl_client_serial ${OWN}_verify {{ default $ssl_client_verify; {lines}}}\n"


def _login(sites: Sequence[Site], suffix: str) -> str:
    """JupyterHub's own pages, open to where one of the sites is."""
    anywhere = any(not site.networks for site in sites)
    networks = () if anywhere else sorted({network for site in sites for network in site.networks})
    hub = Site(HUB, "socket", HUB_SOCKET, HUB_PATH, HUB, tuple(networks), ())
    return LOGIN.format(
        path=HUB_PATH,
        most=MOST_TO_HUB,
        socket=HUB_SOCKET,
        lines=_lines(_limits(hub)),
        upstream=_behind(hub, suffix, sandboxed=False),
        may=MAY,
        host=_host(suffix),
        person=PERSON,
        own=OWN,
    )


def _limits(site: Site) -> list[str]:
    lines = [f"        allow {network};" for network in site.networks]
    lines += ["        deny all;"] if site.networks else []
    # To the login page a whole class comes at once, behind one address: it waits for its turns, a second each.
    tries = "burst=40 delay=5" if site.auth == HUB and not site.lab else "burst=5 nodelay"
    return [*lines, f"        limit_req zone={OWN}_login {tries};"]


def _host(suffix: str) -> str:
    return "$http_host" if suffix else "$host"


def _location(number: int, site: Site, suffix: str, *, sandboxed: bool) -> str:
    lines = _limits(site)
    if site.kind == NOBODYS:
        # As nginx does by itself where somebody's JupyterLab is, before it asks who comes: the name alone shall not tell.
        lines = [f"        rewrite ^({site.path}[A-Za-z0-9_.-]+)$ $1/ permanent;", *lines]
    if site.auth == "basic":
        lines += [
            f"        limit_req zone={OWN}_basic burst=200 nodelay;",
            # The same for all JupyterLabs.
            f'        auth_basic "{site.name.partition(".")[0]}";',
            f"        auth_basic_user_file {password_file(site)};",
        ]
    elif site.auth == "certificate":
        lines += [f"        if (${OWN}_may_{number} = 0) {{ return 403; }}"]
    elif site.auth == HUB:
        # The session is the hub's, so its end is there, too.
        lines += BY_HUB.format(
            path=JUPYTER_PATH,
            hub=HUB_PATH,
            own=OWN,
            person=site.users[0] if site.users else '""',
            may=MAY,
            door=DOOR.lower().replace("-", "_"),
        ).splitlines()
    # Of what it passes on nginx does so by itself.
    bare = (
        f"    location = {site.path[:-1]} {{ return 301 {site.path}; }}\n" if site.kind == "folder" and site.path != "/" else ""
    )
    return f"{bare}    location ^~ {site.path} {{\n{_lines(lines)}{_behind(site, suffix, sandboxed=sandboxed)}    }}\n"


def _headers(indent: str, policy: str) -> str:
    """All of them: a place that has some of its own inherits none (ngx_http_headers_module)."""
    return _lines(f'{indent}add_header {name} "{value}" always;' for name, value in {**HEADERS, POLICY: policy}.items())


def _behind(site: Site, suffix: str, *, sandboxed: bool) -> str:
    if site.kind == NOBODYS:
        return ""
    if site.kind == "folder":
        return FILES.format(folder=site.target) + (_headers("        ", SANDBOX) if sandboxed else "")
    told = dict.fromkeys((*TOLD_BY_PROXIES, PERSON, DOOR), '""')
    if site.lab and site.auth == HUB:
        told[DOOR] = f"${OWN}_door"
    # The password is nginx's business. A token is that of the program behind it; the hub takes none.
    authorization = {"basic": f"${OWN}_token", HUB: "" if site.lab else '""'}.get(site.auth, "")
    return UPSTREAM.format(
        target=f"http://127.0.0.1:{site.target}" if site.kind == "port" else f"http://unix:{site.target}",
        host=_host(suffix),
        own=OWN,
        told=_lines(f"        proxy_set_header {name} {value};" for name, value in told.items()),
        authorization=f"        proxy_set_header Authorization {authorization};\n" if authorization else "",
        hidden=_lines(f"        proxy_hide_header {name};" for name in (*HEADERS, DOOR)),
    )


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
