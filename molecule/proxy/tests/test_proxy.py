# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A browser's view of the door, and that of those who try it: strangers, other origins, a colleague on the host."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import os
import re
import shlex
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
import websocket
from ansible_collections.openlab.research_server.tests.integration.peers import python_environment
from waiting import wait_until

EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
CA = EPHEMERAL / "ca"
EXAMPLES = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "docs" / "examples" / "drift"
NAME = "lab.example.org"
PASSWORDS = {"ada": "ada's secret", "bob": "bob's secret"}
FOLDER = "/etc/nginx/research-server"
CONFIG = "/etc/nginx/conf.d/research-server.conf"
# A reload has only been asked for when systemctl comes back: until nginx says what it has read.
ASK = f"curl --silent --insecure --resolve {NAME}:443:127.0.0.1 https://{NAME}/.research-server"
READ = f"timeout 60 sh -c 'until [ \"$({ASK})\" = 0 ]; do sleep 0.1; done'"
# What runs is another one than its files say.
OTHER = f"sed -E 's/200 [0-9a-f]+/200 0/' -i.kept {CONFIG} && systemctl reload nginx && {READ} && mv {CONFIG}.kept {CONFIG}"
SITES = [{"name": "page", "to": "folder:/srv/page", "path": "/page/", "auth": "none"}]


class Answer:
    def __init__(self, done):
        self.failed = done.rc  # of curl; 0 if there is an answer
        head, _gap, self.body = done.stdout.replace("\r", "").partition("\n\n")
        status, *lines = head.split("\n")
        self.version, self.status = (status.split()[0], int(status.split()[1])) if not done.rc else ("", 0)
        self.headers = [tuple(line.split(": ", 1)) for line in lines if ": " in line]

    def header(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def told(self):
        return json.loads(self.body)


def get(client, path, *, user=None, certificate=None, headers=(), more=""):
    """As a browser on somebody's machine. `user`: with the right password, or NAME:PASSWORD."""
    machine = client.machine
    put(machine, "/root/ca.crt", (CA / "ca.crt").read_text())
    options = f"--silent --include --max-time 30 --path-as-is --interface {client.address} --cacert /root/ca.crt {more}"
    if f"--resolve {NAME}" not in more:
        options += f" --resolve {NAME}:443:{client.server}"
    if user:
        options += f" --user {shlex.quote(user if ':' in user else f'{user}:{PASSWORDS[user]}')}"
    if certificate:
        put(machine, f"/root/{certificate}.pem", made_certificate(certificate))
        options += f" --cert /root/{certificate}.pem"
    for header in headers:
        options += f" --header {shlex.quote(header)}"
    return Answer(machine.run(f"curl {options} {shlex.quote(f'https://{NAME}{path}')}"))


def put(machine, path, text):
    machine.check_output("umask 077; printf %%s %s > %s", text, path)


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def made_certificate(name):
    """As the playbook makes them for people; and one that somebody made for themselves, in the name of ada."""
    if name != "stranger":
        return (EPHEMERAL / "clients" / name / "web.pem").read_text()
    key, certificate = (EPHEMERAL / f"stranger.{end}" for end in ("key", "crt"))
    if not key.exists():
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=ada")
    return certificate.read_text() + key.read_text()


@pytest.fixture(scope="module", autouse=True)
def certificates(converge):
    """For carol as well, who is on no server's list any more."""
    more = {"client_config_directory": str(EPHEMERAL / "clients"), "ansible_connection": "local"}
    playbook = "playbooks/web_certificates.yml"
    assert converge(playbook=playbook, proxy_people=["ada", "bob", "carol"], **more).ok
    assert converge(playbook=playbook, proxy_people=["ada", "bob", "carol"], **more).changed == 0


def as_eve(host, command):
    return host.run("runuser -u eve -- sh -c %s", command)


def address_of(name):
    return json.loads((EPHEMERAL / "ssh" / "addresses.json").read_text())[name]


def tls(host, name=NAME):
    """A connection from the controller, and its certificate."""
    context = ssl.create_default_context(cafile=str(CA / "ca.crt"))
    address = address_of(host.backend.get_hostname())
    connection = http.client.HTTPSConnection(name, context=context, timeout=60)
    connection.sock = context.wrap_socket(socket.create_connection((address, 443), 30), server_hostname=name)
    return connection


# What is served.


def test_a_page_comes_over_http_2_with_a_certificate_of_the_labs_authority(client):
    answer = get(client, "/page/")
    assert (answer.status, answer.version, answer.body.strip()) == (200, "HTTP/2", "<h1>The page</h1>")
    for path in ("/page", "/open"):
        assert get(client, path).header("location") == [f"{path}/"]
    assert get(client, "/elsewhere").status == 404


def test_the_program_behind_it_gets_the_whole_path_and_who_asks(client):
    forged = [
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-Host: evil.example",
        "X-Scheme: http",
        "Forwarded: for=203.0.113.9",
        "X-Remote-User: bob",
    ]
    told = get(client, "/open/a?b=c", headers=forged).told
    assert told["path"] == "/open/a?b=c"
    headers = told["headers"]
    assert (headers["Host"], headers["X-Forwarded-Proto"], headers["X-Forwarded-For"]) == (NAME, "https", client.address)
    assert headers["X-Forwarded-Host"] == NAME and {"Forwarded", "X-Scheme", "X-Remote-User"}.isdisjoint(headers)


def test_headers_are_strict_and_said_once(client):
    answer = get(client, "/open/")
    assert answer.header("strict-transport-security") == ["max-age=63072000"]
    for name, value in (
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "SAMEORIGIN"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("content-security-policy", "frame-ancestors 'self'"),
        ("server", "nginx"),
    ):
        assert answer.header(name) == [value], name
    assert "secure" in answer.header("set-cookie")[0].lower()
    assert get(client, "/elsewhere").header("x-content-type-options") == ["nosniff"]


def test_a_websocket_works_and_stays(host):
    sslopt = {"ca_certs": str(CA / "ca.crt"), "server_hostname": NAME}
    connection = tls(host)
    connected = websocket.create_connection(
        f"wss://{NAME}/open/ws", sslopt=sslopt, socket=connection.sock, origin=f"https://{NAME}", timeout=30
    )
    assert connected.recv() == "hello"
    connected.send("again")
    assert connected.recv() == "again"
    connected.close()


def test_events_come_one_by_one(host):
    connection = tls(host)
    connection.request("GET", "/open/events")
    # The second one comes 20 s later; whoever buffers has nothing yet.
    connection.sock.settimeout(15)
    assert connection.getresponse().read1(100) == b"data: first\n\n"


def test_an_upload_is_streamed_and_nothing_of_it_is_left(host):
    host.check_output("rm -f /srv/first-bytes")
    part, parts = os.urandom(1 << 20), 32
    connection = tls(host)
    connection.putrequest("POST", "/open/upload")
    connection.putheader("Content-Length", str(len(part) * parts))
    connection.endheaders()
    connection.send(part)
    wait_until(lambda: host.file("/srv/first-bytes").exists)
    for _number in range(parts - 1):
        connection.send(part)
    told = json.loads(connection.getresponse().read())
    assert told["size"] == len(part) * parts
    assert told["sha256"] == hashlib.sha256(part * parts).hexdigest()
    assert host.check_output("find /var/lib/nginx -type f") == ""


def test_mozillas_intermediate_profile_is_kept(host):
    """By sslyze, which brings the profile. `pytest -s` shows what it says."""
    judge = python_environment("sslyze") / "bin" / "sslyze"
    place = f"{NAME}:443{{{address_of(host.backend.get_hostname())}}}"
    command = [judge, "--mozilla_config", "intermediate", "--certinfo_ca_file", CA / "ca.crt", place]
    said = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False).stdout
    verdict = said.partition("COMPLIANCE AGAINST TLS CONFIGURATION")[2]
    print(verdict)
    assert f"{NAME}:443: OK - Compliant." in verdict, verdict


# Who is served.


def test_basic_asks_for_a_password_and_keeps_it_to_itself(client):
    assert get(client, "/wiki/").status == 401
    assert get(client, "/wiki/", user="ada:wrong").status == 401
    answer = get(client, "/wiki/", user="ada")
    assert answer.status == 200
    assert "Authorization" not in answer.told["headers"]


def test_a_certificate_opens_its_owners_path_alone(client):
    assert get(client, "/user/ada/", certificate="ada").status == 200
    assert get(client, "/user/bob/", certificate="bob").status == 200
    assert get(client, "/user/bob/", certificate="ada").status == 403
    assert get(client, "/user/ada/").status == 403
    # Of the lab's authority, for somebody who is not on the list; somebody else's; and the server's own.
    assert get(client, "/user/ada/", certificate="carol").status == 403
    assert get(client, "/user/ada/", certificate="stranger").status in (400, 403)


@pytest.mark.one_release
def test_a_certificate_that_is_lost_is_revoked_alone(client, converge):
    issued = (CA / "people.txt").read_text().split("\n")
    # On the release before she has lost one already.
    lost = [line.split()[0] for line in issued if " ada " in line][-1]
    assert get(client, "/user/ada/", certificate="ada").status == 200
    done = converge(proxy_revoked=[lost.lower()])
    assert done.ok, done.message
    assert get(client, "/user/ada/", certificate="ada").status == 403
    assert get(client, "/user/bob/", certificate="bob").status == 200 and get(client, "/open/", certificate="ada").status == 200
    # She gets a new one, and nobody else does.
    more = {"client_config_directory": str(EPHEMERAL / "clients"), "ansible_connection": "local", "proxy_revoked": [lost]}
    made = converge(playbook="playbooks/web_certificates.yml", proxy_people=["ada", "bob", "carol"], **more)
    assert made.ok and "new certificates for ada. docs" in made.text, made.text
    assert get(client, "/user/ada/", certificate="ada").status == 200
    assert converge().ok


def test_a_site_is_open_to_its_networks_alone(client):
    assert get(client, "/office/").status == 403
    assert get(client, "/open/").status == 200


def test_the_firewall_lets_in_what_is_served(host, client):
    assert "tcp dport 443" in host.check_output("nft list table inet research_server")
    assert client.reaches(443)
    assert not client.reaches(8000)


# Who is not.


def test_who_knows_another_name_gets_nothing(client):
    """As a page does whose name points here (DNS rebinding)."""
    name = "evil.example"
    done = get(client, "/open/", more=f"--resolve {name}:443:{client.server} --connect-to {NAME}:443:{name}:443")
    assert done.status == 200, "the test reaches the server by that way"
    stranger = client.machine.run(
        f"curl --silent --insecure --interface {client.address} --resolve {name}:443:{client.server} https://{name}/open/"
    )
    assert stranger.rc == 35  # no handshake
    by_address = client.machine.run(f"curl --silent --insecure --interface {client.address} https://{client.server}/open/")
    assert by_address.rc == 35
    assert get(client, "/open/", headers=[f"Host: {name}"]).status == 421


@pytest.mark.cases(2)
@pytest.mark.parametrize("origin", ["https://evil.example", f"http://{NAME}", f"https://{NAME}.evil.example", "null"])
def test_a_page_of_another_origin_is_refused(client, origin):
    assert get(client, "/open/", headers=[f"Origin: {origin}"]).status == 403
    assert get(client, "/open/", headers=[f"Origin: https://{NAME}"]).status == 200


@pytest.mark.cases(5)
@pytest.mark.parametrize(
    "path",
    [
        "/user/ada/../bob/",
        "/user/ada/%2e%2e/bob/",
        "/user/ada/..%2fbob/",
        "/user/ada%2f..%2fbob/",
        "/user/ada/..%5cbob/",
        "/user/ada/.%2E/bob/",
        "/page/../../../etc/passwd",
        "/page/%2e%2e/%2e%2e/etc/passwd",
        "/page/..",
        "/user/ada/%00/../bob/",
        "/user/ada/%00",
    ],
)
def test_ways_around_a_path_lead_nowhere(client, path):
    assert get(client, path, certificate="ada").status == 400


def test_slashes_that_are_written_out_are_those_of_the_path(client):
    assert get(client, "/user%2fbob/", certificate="ada").status == 403
    assert get(client, "//user//bob//", certificate="ada").status == 403
    assert get(client, "/user/ada/?next=/../bob", certificate="ada").status == 200, "what stands behind the '?' is no path"


@pytest.mark.one_release
def test_the_drift_page_is_shown_to_whom_it_is_for(host, client):
    """By the units of docs/examples."""
    for unit in ("research-server-drift-page.path", "research-server-drift-page.service"):
        put(host, f"/etc/systemd/system/{unit}", (EXAMPLES / unit).read_text(encoding="utf-8"))
    host.check_output("systemctl daemon-reload && systemctl start research-server-drift-page.path")
    looks = "systemctl show --property SubState --value research-server-drift-page.path"
    for page in ("the first night", "the second night"):
        # While the service runs nobody looks: a night is long, a test is not.
        wait_until(lambda: host.check_output(looks) == "waiting")
        host.check_output("mkdir -p -m 0700 /var/lib/research-server-drift")
        put(host, "/var/lib/research-server-drift/.new", page)
        host.check_output("mv /var/lib/research-server-drift/.new /var/lib/research-server-drift/drift.html")
        wait_until(lambda page=page: get(client, "/drift/", certificate="ada").body.strip() == page)
    assert get(client, "/drift/", certificate="bob").status == get(client, "/drift/").status == 403
    assert "Permission denied" in as_eve(host, "cat /srv/drift/index.html").stderr


def test_a_link_in_a_folder_leads_nowhere(client):
    assert get(client, "/page/people").status == 403
    assert get(client, "/page/", more="--request PUT --data x").status == 403


def test_two_lengths_of_one_request_are_refused(host):
    """What one server takes for a body, and the next for a request of its own."""
    connection = tls(host)
    smuggled = "GET /user/ada/ HTTP/1.1\r\nHost: x\r\n\r\n"
    head = f"POST /open/ HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {len(smuggled)}\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.sock.sendall(f"{head}0\r\n\r\n{smuggled}".encode())
    answers = b""
    with contextlib.suppress(OSError):
        while data := connection.sock.recv(65536):
            answers += data
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"400"]


def test_a_colleague_on_the_host_reads_no_secret(host, client):
    get(client, "/wiki/", user="ada")
    assert as_eve(host, "id").rc == 0
    for file in (f"{FOLDER}/server.key", f"{FOLDER}/wiki.htpasswd", "/var/log/nginx/research-server.log"):
        assert host.file(file).exists, file
        assert "Permission denied" in as_eve(host, f"cat {file}").stderr, file
    assert as_eve(host, f"ls {FOLDER}").rc != 0
    assert "$y$" not in host.check_output("ps axww -o args")
    assert host.file(f"{FOLDER}/server.key").mode == 0o600
    assert (host.file(f"{FOLDER}/wiki.htpasswd").group, host.file(f"{FOLDER}/wiki.htpasswd").mode) == ("www-data", 0o640)


def test_no_token_and_no_password_is_written_down(host, client):
    secret = "token-of-somebody"
    for path in ("/open/", "/nobody/", "/wiki/", "/elsewhere", "/office/"):
        get(client, f"{path}?token={secret}", headers=[f"Referer: https://{NAME}/open/?token={secret}"])
        get(client, f"{path}?token={secret}", user=f"ada:{secret}")
    assert "/nobody/" in host.check_output("cat /var/log/nginx/research-server.log")
    assert host.run(f"grep -r {secret} /var/log/nginx").stdout == ""
    assert secret not in host.check_output("journalctl --quiet --unit nginx")
    host.check_output("fail2ban-client unban --all")


def test_who_tries_a_login_form_again_and_again_has_to_wait(client):
    command = "for try in $(seq 15); do curl --silent --insecure --output /dev/null --write-out '%{http_code} ' --data x "
    command += f"--interface {client.address} --resolve {NAME}:443:{client.server} https://{NAME}/open/login; done"
    done = client.machine.run("sh -c %s", command).stdout.split()
    assert "200" in done and "429" in done
    assert get(client, "/open/").status == 200


@pytest.mark.one_release
def test_who_asks_too_often_where_a_password_is_asked_for_has_to_wait(client):
    """Each try costs the server the work of a hash."""
    options = f"--silent --insecure --output /dev/null --write-out '%{{http_code}} ' --resolve {NAME}:443:{client.server}"
    said = client.machine.run(f"curl {options} --interface {client.address} 'https://{NAME}/wiki/?[1-1000]'").stdout.split()
    assert said[:50] == ["401"] * 50 and "429" in said


# fail2ban


def banned(host):
    return host.check_output("fail2ban-client get research-server-proxy banip").split()


def test_who_fails_to_log_in_is_banned_and_nobody_else(host, new_client):
    stranger, browser, ada = new_client(), new_client(), new_client()
    for _try in range(6):
        assert get(browser, "/wiki/").status == 401, "a browser that has not asked its person yet"
        assert get(ada, "/wiki/", user="ada").status == 200
        # The program behind it refuses, whatever that means.
        assert get(ada, "/open/refused", more="--data x", user="ada").status in (401, 429)
    for _try in range(3):
        get(stranger, "/wiki/", user="ada:wrong")
    wait_until(lambda: stranger.address in banned(host))
    wait_until(lambda: not stranger.reaches(443))
    assert {browser.address, ada.address}.isdisjoint(banned(host))
    host.check_output("fail2ban-client unban --all")
    wait_until(lambda: stranger.reaches(443))


@pytest.mark.one_release
def test_nobody_can_have_others_banned(host, new_client):
    """By a name that reads as a line of the log."""
    victim, attacker = new_client(), new_client()
    line = f"x\n2026-01-01T00:00:00+00:00 {victim.address} failed login\n"
    basic = base64.b64encode(f"{line * 3}:x".encode()).decode()
    for _try in range(2):
        get(attacker, "/wiki/", headers=[f"Authorization: Basic {basic}", f"X-Forwarded-For: {victim.address}"])
    wait_until(lambda: attacker.address in host.check_output("cat /var/log/nginx/research-server-failed.log"))
    assert victim.address not in host.check_output("cat /var/log/nginx/research-server-failed.log")
    host.check_output("fail2ban-client unban --all")


# The firewall


LIMIT = 256
# Comes by the hundred and says nothing. Tells how many were let in, and keeps them.
CROWD = """
import socket, sys, time
held = []
for _ in range(300):
    try:
        held.append(socket.create_connection((sys.argv[1], 443), 5, (sys.argv[2], 0)))
    except OSError:
        pass
print(len(held), flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def crowd(client):
    """Connections from one address, as many as are let in."""
    machine = client.machine
    put(machine, "/root/crowd.py", CROWD)
    machine.check_output(
        f"systemd-run --unit=crowd --collect --property=StandardOutput=file:/run/crowd "
        f"python3 /root/crowd.py {client.server} {client.address}"
    )
    try:
        wait_until(lambda: machine.run("test -s /run/crowd").rc == 0)
        yield int(machine.check_output("cat /run/crowd"))
    finally:
        machine.run("systemctl stop crowd; rm -f /run/crowd")


def test_who_opens_connections_by_the_hundred_is_refused_more_and_nobody_else(host, new_client, converge):
    greedy, other = new_client(), new_client()
    with crowd(greedy) as held:
        assert held == LIMIT
        assert not greedy.reaches(443)
        assert get(other, "/page/").status == 200
        assert host.run(ASK).rc == 0, "from the host itself"
        assert greedy.reaches(22)
        # Who is counted just now is no part of the rules.
        assert converge("--check").changed == 0
    wait_until(lambda: get(greedy, "/page/").status == 200)


@pytest.mark.one_release
def test_an_entry_of_the_labs_for_the_same_port_takes_no_limit_away(new_client, converge):
    everything = "molecule/proxy/converge.yml"
    assert converge(playbook=everything, firewall_allow=[{"port": 443, "comment": "everybody"}]).changed
    try:
        with crowd(new_client()) as held:
            assert held == LIMIT
    finally:
        assert converge(playbook=everything).changed


def test_a_network_of_ipv6_is_one_source(host, new_client, new_client_on):
    machine = new_client().machine
    greedy, neighbour = new_client_on(machine, 6), new_client_on(machine, 6)
    assert greedy.address.split(":")[:4] == neighbour.address.split(":")[:4]
    with crowd(greedy) as held:
        assert held == LIMIT
        assert not neighbour.reaches(443)
        assert new_client_on(machine).reaches(443)
    wait_until(lambda: neighbour.reaches(443))


# How it is changed.


def test_nothing_listens_but_what_is_served(host):
    listening = host.check_output("ss -Hltnp")
    assert {line.split()[3] for line in listening.splitlines() if '"nginx"' in line} == {"0.0.0.0:443", "[::]:443"}


@pytest.mark.one_release
def test_a_second_run_changes_nothing_and_check_mode_tells_the_truth(host, converge):
    assert converge("--check").changed == 0
    for damage in (
        f"sed -i 's/max-age=63072000/max-age=1/' {CONFIG}",
        f"chmod 644 {FOLDER}/server.key",
        f"echo 'eve:x' >> {FOLDER}/wiki.htpasswd",
        "systemctl stop nginx",
        OTHER,
    ):
        before = host.check_output(f"cat {CONFIG}")
        host.check_output(damage)
        told = converge("--check", "--diff")
        assert told.ok and told.changed == 1, damage
        assert "$y$" not in told.text
        done = converge()
        assert done.ok and done.changed == 1, damage
        assert before == host.check_output(f"cat {CONFIG}")
    assert converge("--check").changed == 0


@pytest.mark.one_release
def test_the_certificate_follows_the_names_and_its_key_never_leaves_the_host(host, converge):
    told = converge("--check", proxy_names=[NAME, "wiki.example.org"])
    assert told.ok and told.changed == 1
    assert converge(proxy_names=[NAME, "wiki.example.org"]).changed == 1
    names = {name for _kind, name in served_certificate(host)["subjectAltName"]}
    assert names == {NAME, "wiki.example.org"}
    assert converge("--check", proxy_names=[NAME, "wiki.example.org"]).changed == 0
    assert converge().changed == 1
    assert {name for _kind, name in served_certificate(host)["subjectAltName"]} == {NAME}
    assert host.file(f"{FOLDER}/server.key").mode == 0o600 and not host.file(f"{FOLDER}/server.key.new").exists
    key = host.check_output(f"sed -n 2p {FOLDER}/server.key")
    assert not any(key in path.read_text() for path in CA.iterdir())
    assert (CA / "ca.key").stat().st_mode & 0o777 == 0o600


def test_a_certificate_that_ends_soon_is_made_anew(host, converge):
    before = served_certificate(host)["serialNumber"]
    # As made almost a year ago: the same key, and ten days left.
    request, old = EPHEMERAL / "old.csr", EPHEMERAL / "old.crt"
    key = EPHEMERAL / "old.key"
    key.write_text(host.check_output(f"cat {FOLDER}/server.key"))
    names = EPHEMERAL / "names"
    names.write_text(f"subjectAltName=DNS:{NAME}\nextendedKeyUsage=serverAuth\n")
    openssl("req", "-new", "-key", key, "-subj", "/CN=server", "-out", request)
    signed = ("-CA", CA / "ca.crt", "-CAkey", CA / "ca.key", "-CAcreateserial", "-extfile", names)
    openssl("x509", "-req", "-in", request, "-out", old, "-days", 10, *signed)
    key.unlink()
    put(host, f"{FOLDER}/server.crt", old.read_text())
    assert converge("--check").changed == 1
    assert converge().changed == 1
    assert served_certificate(host)["serialNumber"] not in (before, "")
    assert converge("--check").changed == 0


@pytest.mark.one_release
def test_a_certificate_from_elsewhere_is_served(host, client, converge):
    key, certificate = (EPHEMERAL / f"elsewhere.{end}" for end in ("key", "crt"))
    names = ("-subj", "/CN=elsewhere", "-addext", f"subjectAltName=DNS:{NAME}")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 90, "-keyout", key, "-out", certificate, *names)
    own = {"proxy_certificate": certificate.read_text(), "proxy_certificate_key": key.read_text()}
    kept = host.check_output(f"cat {FOLDER}/server.key")
    done = converge("--diff", **own)
    assert done.ok and done.changed == 1
    assert key.read_text().splitlines()[2] not in done.text
    assert "CN = elsewhere" in served_issuer(client) or "CN=elsewhere" in served_issuer(client)
    assert converge("--check", **own).changed == 0
    # One that does not fit its key stops the run on the controller; what runs goes on.
    refused = converge(**{**own, "proxy_certificate_key": kept})
    assert not refused.ok and "does not fit" in refused.message
    assert "elsewhere" in served_issuer(client)
    assert converge().ok
    assert get(client, "/page/").status == 200


def served_certificate(host):
    return tls(host).sock.getpeercert()


def served_issuer(client):
    address = f"{client.server}:443 -servername {NAME}"
    return client.machine.check_output(
        f"openssl s_client -connect {address} </dev/null 2>/dev/null | openssl x509 -noout -issuer"
    )


PEBBLE = "pebble.example.org"
DIRECTORY = f"https://{PEBBLE}:14000/dir"
START = """
set -eu
DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends pebble ca-certificates >/dev/null
cd /root
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=test -addext subjectAltName=DNS:{pebble} \
    -keyout pebble.key -out /usr/local/share/ca-certificates/pebble.crt
update-ca-certificates >/dev/null
echo '{settings}' > pebble.json
# It starts without accounts.
rm -rf /etc/letsencrypt
cp /etc/hosts hosts.before
echo '127.0.0.1 {pebble} {name}' >> /etc/hosts
systemd-run --unit=pebble --collect --setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_WFE_NONCEREJECT=0 \\
    pebble -config /root/pebble.json
"""
SETTINGS = {
    "pebble": {
        "listenAddress": "127.0.0.1:14000",
        "managementListenAddress": "127.0.0.1:15000",
        "certificate": "/usr/local/share/ca-certificates/pebble.crt",
        "privateKey": "/root/pebble.key",
        "httpPort": 80,
        "tlsPort": 443,
    }
}


@pytest.fixture(scope="module")
def pebble(host):
    """An authority that certifies by ACME, which the host trusts."""
    host.check_output(START.format(pebble=PEBBLE, name=NAME, settings=json.dumps(SETTINGS)))
    wait_until(lambda: host.run(f"curl --silent {DIRECTORY}").rc == 0)
    yield
    host.check_output(
        "systemctl stop pebble; cat /root/hosts.before > /etc/hosts; rm /usr/local/share/ca-certificates/pebble.crt"
    )


def issuer_of(host):
    """The certificate is no one's that the controller knows."""
    served = f"openssl s_client -connect 127.0.0.1:443 -servername {NAME} </dev/null 2>/dev/null"
    return host.check_output(f"{served} | openssl x509 -noout -issuer -serial")


ACME = {"proxy_acme_directory": DIRECTORY}


@pytest.fixture(scope="module")
def apply(converge):
    """With the firewall, which opens port 80."""
    return lambda *arguments, **variables: converge(*arguments, playbook="molecule/proxy/converge.yml", **variables)


@pytest.mark.usefixtures("pebble")
class TestByACME:
    def test_a_certificate_is_got_and_renewed(self, host, client, apply):
        told = apply("--check", **ACME)
        assert told.ok and told.changed >= 1 and not host.file("/etc/letsencrypt/live/research-server").exists
        done = apply(**ACME)
        assert done.ok, done.message
        before = issuer_of(host)
        assert "Pebble" in before
        for arguments in ((), ("--check",)):
            assert apply(*arguments, **ACME).changed == 0
        moved = client.machine.check_output(f"curl --silent --include --resolve {NAME}:80:{client.server} http://{NAME}/page/")
        assert "301 Moved" in moved and f"Location: https://{NAME}/page/" in moved
        assert host.check_output("certbot renew --quiet --force-renewal --no-random-sleep-on-renew") == ""
        wait_until(lambda: issuer_of(host) != before)
        assert "Pebble" in issuer_of(host)
        assert apply("--check", **ACME).changed == 0

    @pytest.mark.one_release
    def test_what_keeps_it_from_being_renewed_is_told(self, host, apply):
        host.check_output("systemctl disable --now certbot.timer")
        assert apply("--check", **ACME).changed == 1
        assert apply(**ACME).changed == 1
        assert host.service("certbot.timer").is_enabled

    @pytest.mark.one_release
    def test_a_name_that_does_not_lead_here_gets_none_and_what_runs_goes_on(self, host, apply):
        before = issuer_of(host)
        refused = apply(**ACME, proxy_names=[NAME, "elsewhere.example.org"])
        assert not refused.ok
        assert "found no certificate for" in refused.message and "elsewhere.example.org" in refused.message
        assert issuer_of(host) == before
        done = apply(**ACME)
        assert done.ok, done.message

    def test_the_way_back(self, host, client, apply):
        assert apply().ok
        assert get(client, "/page/").status == 200, "by the lab's own authority"
        assert not host.file("/etc/letsencrypt/live/research-server").exists
        assert host.run("curl --silent http://127.0.0.1/").rc != 0
        assert apply("--check").changed == 0


def test_sites_of_others_stay_and_a_conflict_with_them_is_taken_back(host, client, converge):
    other = "/etc/nginx/conf.d/lab.conf"
    host.check_output(f"echo 'server {{ listen 127.0.0.1:8081; return 200 other; }}' > {other}; systemctl reload nginx")
    done = converge(proxy_sites=SITES)
    assert done.ok and done.changed == 1
    assert host.check_output("curl --silent http://127.0.0.1:8081/") == "other"
    assert get(client, "/wiki/").status == 404 and get(client, "/page/").status == 200
    assert not host.file(f"{FOLDER}/wiki.htpasswd").exists

    # It does not get along with ours, which is what runs.
    host.check_output(f"echo 'server {{ listen 443 ssl default_server; return 200 other; }}' > {other}")
    before = host.check_output(f"md5sum {CONFIG} {FOLDER}/*")
    refused = converge()
    assert not refused.ok
    assert "a duplicate default server" in refused.message and "the one before is back" in refused.message
    assert host.check_output(f"md5sum {CONFIG} {FOLDER}/*") == before
    assert get(client, "/page/").status == 200
    host.check_output(f"rm {other}")
    assert converge().ok
    assert get(client, "/wiki/", user="ada").status == 200


def test_a_port_that_somebody_else_has_is_told_and_what_runs_goes_on(host, converge):
    host.check_output("systemctl stop nginx; systemd-run --unit=squatter --collect python3 -m http.server 443")
    wait_until(lambda: host.run("curl --silent --output /dev/null http://127.0.0.1:443/").rc == 0)
    refused = converge()
    assert not refused.ok
    assert re.search(r"found python3\S* \(process \d+\) of root .* on 0\.0\.0\.0:443; expected nobody else", refused.message)
    assert host.run("curl --silent --output /dev/null http://127.0.0.1:443/").rc == 0
    host.check_output("systemctl stop squatter")
    assert converge().ok


@pytest.mark.one_release
def test_what_makes_no_sense_is_refused_before_anything_is_changed(host, client, converge):
    site = SITES[0]
    for sites, says in (
        ([site, {**site, "name": "again"}], "found the path '/page/' 2 times"),
        ([{**site, "to": "https://elsewhere.example"}], "expected jupyter, port:8000, "),
        ([{**site, "to": "jupyter"}], "path: found '/page/'; expected '/user/'"),
        ([{**site, "to": "jupyter", "path": "/user/", "auth": "certificate"}], "has a JupyterLab on this host"),
        ([{**site, "auth": "basic", "users": ["zoe"]}], "users: found zoe"),
    ):
        refused = converge(proxy_sites=sites)
        assert not refused.ok and says in refused.message
    refused = converge(proxy_passwords={"ada": "plain-word"})
    assert not refused.ok and "never the password itself" in refused.message and "plain-word" not in refused.message
    assert get(client, "/wiki/", user="ada").status == 200


@pytest.mark.one_release
def test_on_a_server_without_nginx_check_mode_tells_what_will_be_and_a_run_makes_it_so(host, client, converge):
    host.check_output(f"apt-get purge -qy nginx nginx-common && rm -rf {FOLDER} /etc/nginx")
    told = converge("--check", "--diff")
    assert told.ok and told.changed == 1 and "made by the lab's own authority" in told.text
    assert not host.file(FOLDER).exists
    assert converge().ok
    assert get(client, "/wiki/", user="ada").status == 200
    test_nothing_listens_but_what_is_served(host)
