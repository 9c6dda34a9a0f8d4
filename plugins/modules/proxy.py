# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx in front of what listens on this host: all of it in one task."""

from __future__ import annotations

DOCUMENTATION = r"""
module: proxy
short_description: HTTPS in front of what listens on loopback or on a UNIX socket
version_added: 0.2.0
description:
  - Tells which packages are missing, and does nothing else then. The caller installs them, and calls the module again. Until
    then nginx does not start, so that it never listens without its certificate.
  - Keeps one file in C(/etc/nginx/conf.d) and the folder C(/etc/nginx/research-server). Sites of others stay as they are. The
    page of the package is taken away where nobody has changed it.
  - A configuration that nginx refuses, or that the running nginx does not take over, is taken back.
  - Without O(certificate) the host makes keys of its own, which never leave it; the certificates are made on the controller, by
    the lab's own authority in O(ca_dir).
author:
  - openlab.research_server maintainers (@openlab)
options:
  names:
    description: Names under which people know the server. Under all others nothing is served.
    type: list
    elements: str
    required: true
  port:
    description: TCP port.
    type: int
    default: 443
  sites:
    description: What is served, as C(proxy_sites) of the role C(proxy).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What it is called.
        type: str
        required: true
      to:
        description:
          - What is behind it, C(port:8000), C(socket:/run/app.sock), C(folder:/srv/www), or C(jupyter) for all of O(labs).
        type: str
        required: true
      path:
        description: Path in the address, with C(/) at both ends.
        type: str
        required: true
      auth:
        description: How people show who they are.
        type: str
        choices: [basic, certificate, hub, none]
        required: true
      from:
        description: Addresses and networks from which it can be reached; all if empty.
        type: list
        elements: str
        default: []
      users:
        description: Who may come in; all of O(passwords) or O(people) if empty.
        type: list
        elements: str
        default: []
  labs:
    description:
      - Login name to place, such as C(port:20398), of people's JupyterLabs. What the variables of the role C(jupyter) say is put
        in its place.
    type: dict
    default: {}
  passwords:
    description: Names, and hashes of their passwords as in C(crypt(5\)).
    type: dict
    default: {}
  people:
    description: Whose certificates are accepted, by the names in them.
    type: list
    elements: str
    default: []
  revoked:
    description: Serial numbers of certificates that are not accepted any more, as C(openssl x509 -serial) prints them.
    type: list
    elements: str
    default: []
  certificate:
    description: The server's certificate, with those between it and its root.
    type: str
    default: ""
  certificate_key:
    description: Its key. Without one the certificate is for the key that the host has made.
    type: str
    default: ""
  acme_directory:
    description:
      - Directory of an authority that certifies by ACME (RFC 8555). certbot gets the certificate, and renews it. Its key stays on
        the host.
    type: str
    default: ""
  acme_email:
    description: Where that authority writes to; left out if empty.
    type: str
    default: ""
  ca_dir:
    description:
      - Folder of the controller with the lab's own authority, C(ca.crt) and C(ca.key). It is made if it is needed and not there.
    type: str
    default: ca
  authority:
    description: Certificate of that authority. What is in O(ca_dir) is put in its place.
    type: str
    default: ""
  user:
    description: Account of nginx's workers, which read the password files.
    type: str
    default: www-data
  packages:
    description: Packages without which nothing is done. RV(missing) tells those that are not there.
    type: list
    elements: str
    default: []
  jail:
    description: Whether fail2ban, which runs on this host, bans who fails to log in.
    type: bool
    default: false
attributes:
  check_mode:
    description: Tells what would change. Before nginx is there nobody asks it what it thinks of the configuration.
    support: full
  diff_mode:
    description: Shows the configuration, and of secrets only that they are others.
    support: full
requirements:
  - nginx 1.22 or newer, OpenSSL 3 and systemd on the managed host; root.
"""

EXAMPLES = r"""
- name: Serve a wiki to those who have a password
  openlab.research_server.proxy:
    names: [lab.example.org]
    sites:
      - {name: wiki, to: "port:8000", path: /wiki/, auth: basic, from: [192.0.2.0/24]}
    passwords: {ada: "{{ vault_ada }}"}
"""

RETURN = r"""
missing:
  description: Packages that have to be installed first; nothing was done if there are any.
  returned: success
  type: list
  elements: str
request:
  description: Public key for which a certificate is to be made first; nothing but the key was made, if there is one.
  returned: success
  type: str
"""

import contextlib
import grp
import hashlib
import os
import pwd
import re
import time
import typing as t
from collections.abc import Collection, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._host import dpkg, listening, packages, rights
from ..module_utils._host.difference import Difference, difference
from ..module_utils._host.files import put_file, read_file
from ..module_utils._host.module import Module, guarded, run_module
from ..module_utils._host.runner import RefusedError, Runner
from ..module_utils._proxy import acme, nginx, running
from ..module_utils._proxy.files import File, differences, faults, new, or_as_before
from ..module_utils._proxy.sites import Site, serial, sites_of

SERVICE = "nginx.service"
RUNNING = {"ActiveState": "active", "UnitFileState": "enabled"}
# A certificate of the lab's own authority is made anew before it ends.
RENEW_SECONDS = 30 * 86400
PROOF_SECONDS = 30.0
NEW_KEY = f"{nginx.KEY}.new"
OWN_AUTHORITY = "the lab's own authority"
# The package's page on port 80, as long as it is the package's.
DEFAULT_LINK = "/etc/nginx/sites-enabled/default"
DEFAULT_SITE = "/etc/nginx/sites-available/default"
FILTER = "/etc/fail2ban/filter.d/research-server-proxy.conf"
JAIL = "/etc/fail2ban/jail.d/research-server-proxy.local"
FILTER_TEXT = """\
# {header}
[Definition]
failregex = ^\\s*<HOST> failed login$
datepattern = ^%%Y-%%m-%%dT%%H:%%M:%%S%%z
"""
JAIL_TEXT = "# {header}\n[research-server-proxy]\nenabled = true\nbackend = auto\nlogpath = {log}\nport = {port}\n"


class Host(Runner):
    """What the module asks the host, and tells it."""

    def service(self) -> dict[str, str]:
        shown = self.run("systemctl", "show", f"--property={','.join(RUNNING)}", SERVICE)
        return dict(line.split("=", 1) for line in shown.splitlines())

    def version(self) -> tuple[int, ...]:
        if not self.module.get_bin_path("nginx", False, ["/usr/sbin"]):
            return nginx.version("")
        _rc, out, err = self.attempt("nginx", "-v")
        return nginx.version(out + err)

    def public_key(self, *source: str) -> str:
        """Of a key, or of a certificate; empty if there is none that OpenSSL can read."""
        rc, out, _err = self.attempt("openssl", *source)
        return out.strip() if rc == 0 else ""

    def certified(self, names: Collection[str], authority: str) -> bool:
        """Whether the certificate that is there fits the key, these names and the authority, and goes on for a while."""
        own = self.public_key("pkey", "-in", nginx.KEY, "-pubout")
        if not own or own != self.public_key("x509", "-in", nginx.CERTIFICATE, "-noout", "-pubkey"):
            return False
        if self.attempt("openssl", "x509", "-in", nginx.CERTIFICATE, "-noout", "-checkend", str(RENEW_SECONDS))[0] != 0:
            return False
        _rc, said, _err = self.attempt("openssl", "x509", "-in", nginx.CERTIFICATE, "-noout", "-ext", "subjectAltName")
        if set(re.findall(r"DNS:([^,\s]+)", said)) != set(names):
            return False
        verify = ("openssl", "verify", "-CAfile", "/dev/stdin", "-purpose", "sslserver", nginx.CERTIFICATE)
        return self.attempt(*verify, data=authority)[0] == 0

    def new_key(self) -> str:
        """The public part of a key for the next certificate. nginx goes on with the one that fits the certificate it has."""
        made = self.run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        os.makedirs(nginx.FOLDER, mode=0o750, exist_ok=True)
        put_file(*os.path.split(NEW_KEY), made, 0o600)
        return self.public_key("pkey", "-in", NEW_KEY, "-pubout")

    def replace(self, files: Mapping[str, File], link: str, expected: str, server: nginx.Server) -> None:
        """Write them, and see nginx run with them. What it refuses is taken back."""
        active = self.service()["ActiveState"] == "active"
        try:
            with or_as_before(files, link):
                self.run("nginx", "-t", "-q")
                self.start(active)
                self.prove(expected, server)
        except (RefusedError, OSError) as error:
            self.attempt("systemctl", "reload" if active else "stop", SERVICE)
            raise RefusedError(f"nginx does not run with the new configuration; the one before is back: {error}") from error

    def start(self, active: bool) -> None:
        if self.service()["UnitFileState"].startswith("masked"):
            self.run("systemctl", "unmask", SERVICE)
            self.run("systemctl", "unmask", "--runtime", SERVICE)
        self.run("systemctl", "enable", SERVICE)
        self.run("systemctl", "reload" if active else "restart", SERVICE)

    def prove(self, expected: str, server: nginx.Server) -> None:
        """A reload says nothing about whether its configuration has been taken over."""
        deadline = time.monotonic() + PROOF_SECONDS
        while running.read(server.port, server.names[0]).digest != expected:
            if time.monotonic() > deadline:
                raise RefusedError(
                    f"found no nginx with it on 127.0.0.1 port {server.port} within {PROOF_SECONDS:g} s; expected it to take it "
                    "over. Look at 'journalctl -u nginx' and /var/log/nginx/error.log"
                )
            time.sleep(0.1)

    def replace_jail(self, files: Mapping[str, File]) -> None:
        client = self.module.get_bin_path("fail2ban-client", False)
        if not client and any(file.text is not None for file in files.values()):
            raise RefusedError(
                "the sites are served; found no fail2ban to watch their logins; expected it, as the host is in the group "
                "fail2ban. Apply that role first (--tags fail2ban,proxy)"
            )
        with or_as_before(files):
            # A jail of before may outlive the package.
            if client:
                self.run("fail2ban-client", "--test")
        if client:
            self.run("fail2ban-client", "reload")

    def certify(
        self, params: Mapping[str, t.Any], server: nginx.Server, sites: Sequence[Site], files: Mapping[str, File]
    ) -> None:
        """Have an authority certify the names by ACME, with nginx serving what it asks for, and what is served already."""
        there = [pair for pair in (server.files, (nginx.CERTIFICATE, nginx.KEY)) if all(map(os.path.exists, pair))]
        if there:
            text = nginx.render(server._replace(files=there[0]), sites)
            # All that this text reads comes along with it: the authority may say no for days, and passwords are taken away today.
            beside = {path: file for path, file in files.items() if path not in there[0]}
        else:
            text, beside = nginx.render_challenge(server), {}
        changed = new({**beside, nginx.CONFIG: File(text)})
        os.makedirs(nginx.FOLDER, mode=0o750, exist_ok=True)
        make_logs(params["user"])
        if changed or self.service() != RUNNING:
            self.replace(changed, packaged_page(), nginx.digest(text), server)
        acme.order(self, params["acme_directory"], params["acme_email"], params["names"])

    def renews(self) -> bool:
        shown = self.run("systemctl", "show", "--property=ActiveState,UnitFileState", acme.TIMER)
        return set(shown.split()) == {"ActiveState=active", "UnitFileState=enabled"}

    def renew(self) -> None:
        self.run("systemctl", "unmask", acme.TIMER)
        self.run("systemctl", "enable", "--now", acme.TIMER)


def make_logs(user: str) -> None:
    """nginx would make them readable for everybody on the host; who visits what is nobody's business."""
    with contextlib.suppress(KeyError):
        owner, group = pwd.getpwnam(user).pw_uid, grp.getgrnam("adm").gr_gid
        for path in nginx.LOGS:
            with contextlib.suppress(FileExistsError):
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640)
                os.fchown(handle, owner, group)
                os.close(handle)


def group_of(user: str) -> int:
    """Of nginx's workers, who come with the package."""
    try:
        return pwd.getpwnam(user).pw_gid
    except KeyError:
        return 0


def packaged_page() -> str:
    """The link that switches the package's page on; empty if somebody has made it theirs, or there is none."""
    if not os.path.islink(DEFAULT_LINK) or os.path.realpath(DEFAULT_LINK) != os.path.realpath(DEFAULT_SITE):
        return ""
    text = read_file(DEFAULT_SITE) or ""
    md5 = hashlib.md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    return DEFAULT_LINK if f"\n {DEFAULT_SITE} {md5}\n" in (read_file(dpkg.STATUS) or "") else ""


def wanted(params: Mapping[str, t.Any], sites: Sequence[Site], certificate: str, group: int) -> dict[str, File]:
    """Beside the configuration: what it reads. What else is in the folder goes."""
    files = {nginx.CERTIFICATE: File(certificate)} if certificate else {}
    # The certificate that the controller has just made is for the key that waits for it.
    key = params["certificate_key"] or (read_file(NEW_KEY) if params["certificate"] else "")
    if key:
        files[nginx.KEY] = File(ended(key), 0o600, secret=True)
    if any(site.auth == "certificate" for site in sites):
        files[nginx.AUTHORITY] = File(ended(params["authority"]))
    for site in sites:
        if site.auth == "basic":
            text = "".join(f"{user}:{params['passwords'][user]}\n" for user in site.users)
            files[nginx.password_file(site)] = File(text, 0o640, group, secret=True)
    there = os.listdir(nginx.FOLDER) if os.path.isdir(nginx.FOLDER) else []
    kept = {*files, *(() if params["acme_directory"] else (nginx.CERTIFICATE, nginx.KEY))}
    return {**files, **{path: File(None) for path in (f"{nginx.FOLDER}/{name}" for name in there) if path not in kept}}


def jail(params: Mapping[str, t.Any]) -> dict[str, File]:
    text = JAIL_TEXT.format(header=nginx.HEADER, log=nginx.FAILED_LOG, port=params["port"])
    return {
        FILTER: File(FILTER_TEXT.format(header=nginx.HEADER) if params["jail"] else None),
        JAIL: File(text if params["jail"] else None),
    }


def ended(text: str) -> str:
    return f"{text.strip()}\n"


def run(module: AnsibleModule) -> dict[str, t.Any]:
    params, host, check_mode = module.params, Host(module), bool(module.check_mode)
    port = params["port"]
    if who := running.others(port):
        raise RefusedError(
            f"found {who}; expected nobody else on port {port}; nothing has been changed. Stop it, or choose another port "
            "(proxy_port)"
        )
    by_acme = params["acme_directory"]
    if by_acme and (who := running.others(acme.HTTP)):
        raise RefusedError(
            f"found {who}; expected nobody but nginx on port {acme.HTTP}, where the authority of proxy_acme_directory comes to "
            "look; nothing has been changed. Stop it"
        )
    missing = packages.missing(host, params["packages"])
    if missing and not check_mode:
        # The package would start it at once, with a page of its own.
        host.run("systemctl", "mask", "--runtime", SERVICE)
        return {"changed": False, "missing": missing, "request": ""}
    sites = sites_of(params["sites"], {"basic": params["passwords"], "certificate": params["people"]}, params["labs"])
    revoked = [serial(text) for text in params["revoked"]]
    lacking, certificate = lacks(host, params, bool(missing)), ""
    if by_acme:
        live = (acme.CERTIFICATE, acme.KEY)
        server = nginx.Server(params["names"], port, host.version(), listening.has_ipv6(), "", live, acme.WEBROOT, revoked)
    else:
        if lacking and not check_mode:
            return {"changed": True, "missing": [], "request": host.new_key()}
        certificate = ended(params["certificate"]) if params["certificate"] else read_file(nginx.CERTIFICATE) or ""
        server = nginx.Server(params["names"], port, host.version(), listening.has_ipv6(), certificate, revoked=revoked)
    text = nginx.render(server, sites)
    group = group_of(params["user"])
    files = {**wanted(params, sites, certificate, group), nginx.CONFIG: File(text)}
    jail_changed, page = new(jail(params)), packaged_page()
    state = {"ActiveState": "inactive", "UnitFileState": "disabled"} if missing else host.service()
    # As they are before an authority is asked, for which some of them are written: a run tells what check mode tells.
    told = [
        *differences({**new(files), **jail_changed}),
        *([difference(page, "page of the package\n", None)] if page else []),
        *service_differences(state, missing),
    ]
    if by_acme and lacking and not check_mode:
        host.certify(params, server, sites, files)
        page = packaged_page()
    changed, wrong = new(files), faults({nginx.KEY: File("", 0o600), **files}, {nginx.FOLDER: File("", 0o750, group)})
    stale = state == RUNNING and not changed and is_stale(running.read(port, server.names[0]), text, server)
    unwanted = not by_acme and os.path.exists(acme.RENEWAL)
    renewed = not by_acme or host.renews()
    diff = [
        *([difference(server.files[0], f"{lacking}\n", f"made by {by_acme or OWN_AUTHORITY}\n")] if lacking else []),
        *([difference(acme.RENEWAL, "certificate is renewed\n", None)] if unwanted else []),
        *([] if renewed else [difference(acme.TIMER, "off\n", "active, enabled\n")]),
        *told,
        *rights.differences(wrong),
        *([difference(SERVICE, "runs with another configuration\n", "runs with this configuration\n")] if stale else []),
    ]
    if not check_mode:
        rights.mend(wrong)
        if changed or page or stale or state != RUNNING:
            make_logs(params["user"])
            host.replace(changed, page, nginx.digest(text), server)
        if unwanted:
            acme.forget(host)
        if not renewed:
            host.renew()
        if jail_changed:
            host.replace_jail(jail_changed)
    return {"changed": bool(diff), "missing": missing, "request": "", "diff": diff}


def lacks(host: Host, params: Mapping[str, t.Any], missing: bool) -> str:
    """What is there in place of a certificate that will do; empty if there is one, or one is given."""
    if params["certificate"]:
        return ""
    if params["acme_directory"]:
        return "none" if missing else acme.lacking(host, params["acme_directory"], params["names"])
    return "none that will do" if missing or not host.certified(params["names"], params["authority"]) else ""


def is_stale(found: running.Running, text: str, server: nginx.Server) -> bool:
    """Whether what runs has read another configuration, or has not read the certificate since it was renewed."""
    renewed = acme.first(read_file(server.files[0]) or "") if server.webroot else b""
    return found.digest != nginx.digest(text) or (bool(renewed) and found.certificate != renewed)


def service_differences(state: Mapping[str, str], missing: Sequence[str]) -> list[Difference]:
    found, right = (f"{', '.join(values[key] for key in RUNNING)}\n" for values in (state, RUNNING))
    installed = [difference("packages", "", "".join(f"{name}\n" for name in missing))] if missing else []
    return installed + ([difference(SERVICE, found, right)] if found != right else [])


@guarded
def main() -> None:
    texts = {"type": "list", "elements": "str", "default": []}
    module = Module(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "port": {"type": "int", "default": 443},
            "sites": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "to": {"type": "str", "required": True},
                    "path": {"type": "str", "required": True},
                    "auth": {"type": "str", "choices": ["basic", "certificate", "hub", "none"], "required": True},
                    "from": texts,
                    "users": texts,
                },
            },
            "labs": {"type": "dict", "default": {}},
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "people": texts,
            "revoked": texts,
            "certificate": {"type": "str", "default": ""},
            "certificate_key": {"type": "str", "default": "", "no_log": True},
            "acme_directory": {"type": "str", "default": ""},
            "acme_email": {"type": "str", "default": ""},
            "ca_dir": {"type": "str", "default": "ca"},
            "authority": {"type": "str", "default": ""},
            "user": {"type": "str", "default": "www-data"},
            "packages": texts,
            "jail": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    run_module(module, run, name="proxy", root=True)


if __name__ == "__main__":
    main()
