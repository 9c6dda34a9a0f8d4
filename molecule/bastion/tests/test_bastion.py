# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Through the door to the servers, with the configuration that was written for people; and nowhere else."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from pathlib import Path

import pytest

testinfra_hosts = ["docker://debian12-bastion", "docker://debian13-bastion"]

FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ssh")

FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode())"
# A SOCKS5 client in a few words (RFC 1928): the page at port 8899 of the address that the server calls its own.
SOCKS = """
import socket
s = socket.create_connection(("127.0.0.1", 11080), 10)
s.sendall(b"\\x05\\x01\\x00"); s.recv(2)
s.sendall(b"\\x05\\x01\\x00\\x01" + socket.inet_aton("127.0.0.1") + (8899).to_bytes(2, "big"))
assert s.recv(10)[1] == 0
s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
print(b"".join(iter(lambda: s.recv(4096), b"")).decode())
"""


def name_of(host):
    return host.backend.get_hostname()


def address_of(host):
    return json.loads((FOLDER / "addresses.json").read_text())[name_of(host)]


def port_in(person, alias):
    """The port in the tunnel's entry, as the client itself reads it."""
    listing = person.run(f"ssh -G {alias}").stdout
    return next(line.rpartition(":")[2] for line in listing.splitlines() if line.startswith("localforward "))


@contextlib.contextmanager
def page_at(server, port):
    """A web page on the server's loopback address. For ssh it is what JupyterLab is."""
    server.check_output("mkdir -p /srv/page && echo secret-page > /srv/page/index.html")
    server.check_output(
        f"systemd-run -q --unit=page-{port} --collect python3 -m http.server {port} --bind 127.0.0.1 --directory /srv/page"
    )
    try:
        server.check_output(f"for i in $(seq 600); do ss -Hltn 'sport = :{port}' | grep -q . && exit 0; sleep 0.1; done; exit 1")
        yield
    finally:
        server.run(f"systemctl stop page-{port}")


class TestFolder:
    def test_it_is_private_and_holds_what_its_owner_needs(self, host):
        for name in ("ada", "grace", "eve", "mallory", "zoe", "ops"):
            folder = FOLDER / "clients" / name
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
            assert modes == {name: 0o700, "ssh_config": 0o600, "known_hosts": 0o600}

    def test_a_server_without_a_way_is_not_in_it(self, host, server):
        text = (FOLDER / "clients" / "eve" / "ssh_config").read_text()
        assert name_of(host) in text
        assert name_of(server) not in text

    def test_known_identities_are_those_of_the_hosts(self, server):
        lines = (FOLDER / "clients" / "ada" / "known_hosts").read_text().splitlines()
        own = [line.split() for line in lines if name_of(server) in line]
        authority = (FOLDER / "host_ca.pub").read_text().split()[:2]
        rsa = server.check_output("cut -d' ' -f1,2 /etc/ssh/ssh_host_rsa_key.pub").split()
        assert [[line[0], *line[2:]] for line in own if line[0].startswith("@")] == [["@cert-authority", *authority]]
        assert [line[1:] for line in own if not line[0].startswith("@")] == [rsa]


class TestJump:
    def test_a_login_goes_through_the_bastion(self, host, server, person):
        done = person("ada").run(f"ssh {name_of(server)} 'id -un; echo $SSH_CONNECTION'")
        assert done.rc == 0, done.stderr
        user, connection = done.stdout.split("\n")[:2]
        assert user == "ada"
        assert connection.split()[0] in host.check_output("hostname -I").split()

    def test_whoever_may_not_jump_does_not(self, host, server, person):
        done = person("eve").run(f"ssh -o StrictHostKeyChecking=no -J {name_of(host)} {name_of(server)} -p 2222 true")
        assert done.rc == 255
        assert "administratively prohibited" in done.stderr

    def test_files_travel(self, server, person):
        there = name_of(server)
        ada = person("ada")
        ada.machine.check_output("command -v rsync >/dev/null || apt-get install -qy rsync >/dev/null")
        server.check_output("command -v rsync >/dev/null || apt-get install -qy rsync >/dev/null")
        done = ada.run(
            "set -e; head -c 300000 /dev/urandom > one; mkdir -p many; cp one many/1; cp one many/2; rm -rf back"
            f"; scp -q one {there}:copy; echo 'get copy back' | sftp -q -b - {there}; cmp one back"
            f"; rsync -a --delete many/ {there}:many/; rsync -a {there}:many/ many-back/; diff -r many many-back",
            seconds=120,
        )
        assert done.rc == 0, done.stderr

    def test_a_tunnel_and_a_proxy_to_the_server_itself_work(self, server, person):
        ada = person("ada")
        options = "-f -o ExitOnForwardFailure=yes -L 127.0.0.1:18899:localhost:8899 -D 127.0.0.1:11080"
        with page_at(server, 8899):
            assert ada.run(f"ssh {options} {name_of(server)} sleep 30 </dev/null >/dev/null 2>&1").rc == 0
            fetched = ada.machine.run("python3 -c %s http://127.0.0.1:18899/", FETCH)
            proxied = ada.machine.run("python3 -c %s", SOCKS)
            ada.machine.run(f"pkill -u {ada.client} ssh")
        assert "secret-page" in fetched.stdout
        assert "secret-page" in proxied.stdout

    def test_a_tunnel_from_the_server_to_elsewhere_does_not(self, host, server, person):
        done = person("ada").run(f"ssh -W {address_of(host)}:2222 {name_of(server)}")
        assert done.rc != 0
        assert "prohibited" in done.stderr

    def test_the_agent_comes_along_where_it_may(self, server, person):
        command = (
            f"eval $(ssh-agent) >/dev/null; ssh-add -q .ssh/id_ed25519; ssh {name_of(server)} 'ssh-add -l'; kill $SSH_AGENT_PID"
        )
        done = person("ada").run(command)
        assert "ada (ED25519)" in done.stdout, done.stderr

    @pytest.mark.one_release
    @pytest.mark.parametrize("wish", ["", "-A"])
    def test_and_nowhere_else(self, server, person, wish):
        grace = person("grace")
        command = f"eval $(ssh-agent) >/dev/null; ssh {wish} {name_of(server)} 'echo \"<$SSH_AUTH_SOCK>\"'; kill $SSH_AGENT_PID"
        done = grace.run(command)
        assert done.stdout.strip() == "<>", done.stderr

    def test_the_alias_of_jupyterlab_is_a_tunnel_to_the_persons_own_port(self, server, person):
        grace = person("grace")
        alias = f"{name_of(server)}-jupyter"
        port = port_in(grace, alias)
        with page_at(server, port):
            done = grace.run(
                f"ssh {alias} </dev/null >out 2>&1 &"
                f" for i in $(seq 600); do ss -Hltn 'sport = :{port}' | grep -q . && break; sleep 0.1; done"
                f"; python3 -c '{FETCH}' http://127.0.0.1:{port}/"
                f"; ssh {alias}; echo second: $?; kill %1 && echo first: still there; cat out",
                seconds=90,
            )
        assert "secret-page" in done.stdout, done.stderr
        # The port is taken: the second tunnel says so instead of staying without one.
        assert "second: 255\nfirst: still there" in done.stdout
        assert "Address already in use" in done.stderr


class TestDoor:
    @pytest.mark.one_release
    @pytest.mark.parametrize(
        "target",
        [
            "research-server-mirror:8080",
            "localhost:2222",
            "127.0.0.1:22",
            "[::1]:2222",
            "{server}:22",
            "{server}:8899",
            "{door}:2222",
        ],
    )
    def test_it_leads_nowhere_else(self, host, server, person, target):
        where = target.format(server=name_of(server), door=name_of(host))
        done = person("ada").run(f"ssh -W {where} {name_of(host)}")
        assert done.rc != 0
        assert "administratively prohibited" in done.stderr

    def test_it_leads_to_the_server(self, host, server, person):
        done = person("ada").run(f"echo | ssh -W {name_of(server)}:2222 {name_of(host)}")
        assert done.stdout.startswith("SSH-2.0-"), done.stderr

    def test_an_administrator_also_reaches_a_server_that_is_still_on_22(self, host, server, person):
        done = person("ops", key="id_ed25519").run(f"ssh -W {name_of(server)}:22 {name_of(host)}")
        assert "Connection refused" in done.stderr

    @pytest.mark.one_release
    @pytest.mark.parametrize(
        "command",
        ["ssh {} id", "ssh -tt {} id", "ssh {} -s sftp </dev/null", "scp -q /etc/hostname {}:x", "echo ls | sftp -b - {}"],
    )
    def test_nobody_works_on_it(self, host, person, command):
        done = person("ada").run(command.format(name_of(host)))
        assert done.rc != 0
        assert "uid=" not in done.stdout

    def test_nobody_opens_ports_on_it(self, host, person):
        done = person("ada").run(f"ssh -N -o ExitOnForwardFailure=yes -R 18898:localhost:22 {name_of(host)}")
        assert done.rc == 255

    def test_administrators_work_on_it(self, host, person):
        assert person("ops", key="id_ed25519").run(f"ssh {name_of(host)} sudo id -u").stdout.strip() == "0"


class TestCertificates:
    def test_one_opens_the_account_that_its_name_is_given_to(self, server, person):
        assert person("zoe", certificate="zoe").run(f"ssh {name_of(server)} id -un").stdout.strip() == "zoe"

    def test_another_name_does_not(self, host, person):
        done = person("zoe", key="stranger", certificate="stranger").run(f"ssh -W x:1 {name_of(host)}")
        assert "Permission denied (publickey)" in done.stderr

    def test_a_key_alone_does_not(self, host, person):
        assert "Permission denied (publickey)" in person("zoe").run(f"ssh -W x:1 {name_of(host)}").stderr

    def test_an_account_that_is_not_named_wants_its_own_name(self, server, person):
        assert (
            person("ops", key="id_ed25519", certificate="ops_certified").run(f"ssh {name_of(server)} id -un").stdout.strip()
            == "ops"
        )

    @pytest.mark.one_release
    @pytest.mark.parametrize("certificate", [None, "mallory"])
    def test_a_revoked_key_opens_nothing(self, host, server, person, certificate):
        assert "mallory" in server.check_output("cat /etc/ssh/authorized_keys.d/mallory")
        done = person("mallory", certificate=certificate).run(f"ssh -W {name_of(server)}:2222 {name_of(host)}")
        assert "Permission denied (publickey)" in done.stderr

    def test_a_host_is_known_by_its_certificate_alone(self, server, person):
        ada = person("ada")
        ada.put("research-servers/known_hosts", f"@cert-authority * {(FOLDER / 'host_ca.pub').read_text()}")
        assert ada.run(f"ssh {name_of(server)} true").rc == 0
        strange = ada.run(f"ssh -o HostKeyAlias=another-name {name_of(server)} true")
        assert strange.rc == 255
        assert "not a listed principal" in strange.stderr or "Host key verification failed" in strange.stderr

    def test_another_authority_is_not_believed(self, server, person):
        ada = person("ada")
        ada.put("research-servers/known_hosts", f"@cert-authority * {(FOLDER / 'other_ca.pub').read_text()}")
        assert "Host key verification failed" in ada.run(f"ssh {name_of(server)} true").stderr
