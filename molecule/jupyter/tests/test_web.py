# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People's JupyterLabs behind the web server, each for its owner alone: by certificate, by password, by the tunnel as before."""

from __future__ import annotations

import base64
import json
import os
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
import websocket
from hosts.network import steady
from people import at_the_same_time, browser_certificates
from people.browser import browser
from people.jupyter_api import Jupyter, JupyterError, wait_until_answers
from people.jupyter_page import notebook, open_terminal, run_cell, tell_who
from people.researcher import login_of, main_pid, port_of, token_of
from people.server_name import leading
from people.ssh_tunnel import tunnel
from shell import TestbedError

EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
PICTURES = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], ".cache/pictures")
WEB = "molecule/jupyter/web.yml"
NAME = "lab.example.org"
PEOPLE = ("alice", "bob")
PATIENCE = 180
# Of the word 'rainbow'.
HASH = "$6$lt1LzRWPPPibi/7R$HZbf4dmJ3i67hx52ZPXg7Z6qjbAuN0G15vzaVPHpOtgRh.64uDYe75CJAc7UNnrBmWkkdNJnOqbqYnuypICMO."
WORD = "rainbow"
CODE = """import getpass, numpy
print("ran as", getpass.getuser(), "with numpy", numpy.__version__)"""


def variables(auth, **more):
    site = {"name": "lab", "to": "jupyter", "path": "/user/", "auth": auth}
    page = {"name": "page", "to": "folder:/srv/page", "path": "/page/", "auth": "none"}
    return {
        "proxy_names": [NAME],
        "proxy_ca_dir": str(EPHEMERAL / "ca"),
        "client_config_directory": str(EPHEMERAL / "clients"),
        "proxy_people": [*PEOPLE, "carol"],
        "proxy_passwords": dict.fromkeys(PEOPLE, HASH),
        "proxy_sites": [site, page],
        "jupyter_restart": "always",
        **more,
    }


@pytest.fixture(scope="module")
def web(host, converge):
    host.check_output("mkdir -p /srv/page && echo '<h1>A page</h1>' > /srv/page/index.html")
    done = converge(playbook=WEB, **variables("certificate"))
    assert done.ok, done.message
    yield converge
    assert converge(jupyter_restart="always").ok


@pytest.fixture(scope="module", autouse=True)
def known(host):
    """The name leads to this host."""
    address = json.loads((EPHEMERAL / "ssh" / "addresses.json").read_text())[host.backend.get_hostname()]
    with leading(NAME, address):
        yield address


def at(host, path, who, token=None):
    """The JupyterLab of somebody, as somebody with their own certificate (none for a stranger) comes to it."""
    certificate = str(EPHEMERAL / "clients" / who / "web.pem") if who else ""
    return Jupyter(
        f"https://{NAME}/user/{path}", token or token_of(host, path), PATIENCE, str(EPHEMERAL / "ca/ca.crt"), certificate
    )


def by_password(host, name):
    """The JupyterLab of somebody whose browser had the token once, and since then keeps what came for it."""
    with requests.Session() as session:
        session.trust_env, session.verify, session.auth = False, str(EPHEMERAL / "ca/ca.crt"), (name, WORD)
        url = f"https://{NAME}/user/{name}"
        session.get(f"{url}/lab", params={"token": token_of(host, name)}, timeout=PATIENCE).raise_for_status()
        headers = {
            "Authorization": f"Basic {base64.b64encode(f'{name}:{WORD}'.encode()).decode()}",
            "Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in session.cookies),
            "X-XSRFToken": session.cookies["_xsrf"],
        }
        return Jupyter(url, "", PATIENCE, str(session.verify), headers=headers)


def refusal(jupyter):
    with pytest.raises(JupyterError) as refused:
        jupyter.kernels()
    return str(refused.value)


# What differs from release to release is nginx's, which the scenario proxy plays on both.
@pytest.mark.one_release
class TestByCertificate:
    def test_nothing_more_to_do(self, web):
        assert web(playbook=WEB, **variables("certificate")).changed == 0

    def test_a_cell_and_a_terminal(self, host, web):
        for person in PEOPLE:
            theirs = at(host, person, person)
            wait_until_answers(theirs, PATIENCE)
            assert f"ran as {person} with numpy 2" in theirs.execute("lab", CODE)
            assert f"here is {person}" in theirs.shell("echo here is $(id -un)")

    def test_everybody_comes_into_their_own_alone(self, host, web):
        hers = token_of(host, "alice")
        assert " 403 " in refusal(at(host, "alice", "bob", hers)), "with her token, too"
        assert " 403 " in refusal(at(host, "alice", "", hers))
        assert " 403 " in refusal(at(host, "carol", "carol", hers)), "who has none, and to nobody else a sign of it"
        assert " 403 " in refusal(at(host, "alice", "alice", "x" * 43)), "a certificate is no token"

    def test_no_path_leads_around_it(self, known, web):
        with requests.Session() as session:
            session.trust_env = False
            session.verify, session.cert = str(EPHEMERAL / "ca/ca.crt"), str(EPHEMERAL / "clients/bob/web.pem")
            for path in (
                "/user/bob/../alice/api",
                "/user/bob/%2e%2e/alice/api",
                "/user/bob%2f..%2falice/api",
                "/user/%61lice/api",
                "/user//alice/api",
            ):
                request = requests.Request("GET", f"https://{NAME}/").prepare()
                request.url = f"https://{NAME}{path}"
                assert session.send(request, timeout=PATIENCE).status_code in (400, 403, 404), path

    def test_a_page_from_elsewhere_gets_no_channel(self, host, web):
        theirs = at(host, "alice", "alice")
        with theirs.kernel("lab") as kernel:
            address = f"wss://{NAME}/user/alice/api/kernels/{kernel}/channels"
            files = {"ca_certs": theirs.authority, "certfile": theirs.certificate}
            for origin in ("https://evil.example", "null"):
                with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
                    websocket.create_connection(
                        address, origin=origin, sslopt=files, header={"Authorization": f"token {theirs.token}"}, timeout=PATIENCE
                    )

    def test_pages_of_a_folder_have_an_origin_of_their_own(self, web):
        with requests.Session() as session:
            session.trust_env, session.verify = False, str(EPHEMERAL / "ca/ca.crt")
            answer = session.get(f"https://{NAME}/page/", timeout=PATIENCE)
        policy = answer.headers["Content-Security-Policy"]
        assert answer.ok and "sandbox" in policy and "allow-same-origin" not in policy
        assert answer.headers["Strict-Transport-Security"] == "max-age=63072000"

    def test_a_name_that_leads_here_is_no_name_of_the_server(self, host, web):
        """DNS rebinding, by the tunnel."""
        with tunnel(login_of(host, "alice"), port_of(host, "alice")) as local, requests.Session() as session:
            session.trust_env = False
            for name, status in (("evil.example", 403), (NAME, 200), ("localhost", 200)):
                answer = session.get(f"http://127.0.0.1:{local}/user/alice/api", headers={"Host": name}, timeout=PATIENCE)
                assert answer.status_code == status, name

    def test_it_is_the_same_address_by_the_tunnel(self, host, web):
        with tunnel(login_of(host, "alice"), port_of(host, "alice")) as local:
            hers = Jupyter(f"http://127.0.0.1:{local}/user/alice", token_of(host, "alice"), PATIENCE)
            wait_until_answers(hers, PATIENCE)
            assert "ran as alice" in hers.execute("lab", CODE)
        shown = host.check_output("runuser -l alice -c lab-jupyter")
        token = token_of(host, "alice")
        for address in (f"https://{NAME}", f"http://127.0.0.1:{port_of(host, 'alice')}"):
            assert f"    {address}/user/alice/lab?token={token}\n" in f"{shown}\n"

    def test_the_web_server_connects_and_a_colleague_does_not(self, host, web):
        ask = f"urllib.request.urlopen('http://127.0.0.1:{port_of(host, 'alice')}/user/alice/api', timeout=60).read()"
        connects, refused = (
            host.run("runuser -u %s -- python3 -c %s", who, f"import urllib.request; print({ask})") for who in ("www-data", "bob")
        )
        assert "version" in connects.stdout
        assert "Connection refused" in refused.stderr

    def test_it_wakes(self, host, web):
        host.check_output("systemctl stop jupyter@alice.service")
        wait_until_answers(at(host, "alice", "alice"), PATIENCE)
        assert host.service("jupyter@alice").is_running

    def test_a_new_configuration_ends_no_kernel(self, host, web):
        theirs, before = at(host, "bob", "bob"), main_pid(host, "bob")
        with theirs.kernel("lab") as kernel:
            assert theirs.run(kernel, "x = 6") == ""
            more = [
                *variables("certificate")["proxy_sites"],
                {"name": "more", "to": "folder:/srv", "path": "/more/", "auth": "none"},
            ]
            done = web(playbook=WEB, **variables("certificate", proxy_sites=more))
            assert done.ok and done.changed, done.message
            assert theirs.run(kernel, "print(x * 7)").strip() == "42"
        assert main_pid(host, "bob") == before

    @pytest.mark.thorough
    def test_two_people_upload_and_are_silent(self, host, web):
        labs = {person: at(host, person, person) for person in PEOPLE}
        for lab in labs.values():
            wait_until_answers(lab, PATIENCE)
        at_the_same_time.upload(host, labs)
        at_the_same_time.be_silent(labs)


class Person:
    """Somebody at a browser that has the certificate of `certified`, and trusts the lab's authority."""

    def __init__(self, stack, host, name, home, address, certified=""):
        self.name, self.token = name, token_of(host, name)
        browser_certificates.trust(home, EPHEMERAL / "ca/ca.crt")
        if certified:
            browser_certificates.own(home, EPHEMERAL / "clients" / certified / "web.pem")
        self.browser = stack.enter_context(
            browser(home, PATIENCE, f"--host-resolver-rules=MAP {NAME} {address}", through=steady())
        )

    def type_password(self):
        """A page whose own address has a password in it may fetch nothing (Fetch standard): it is given beforehand."""
        self.browser.open(f"https://{self.name}:{WORD}@{NAME}/user/{self.name}/api")
        self.browser.see("body", "version")

    def open(self, place):
        self.browser.open(f"https://{NAME}/user/{self.name}/lab{place}?reset&token={self.token}")

    def picture(self, of):
        self.browser.picture(PICTURES / f"{of}-{self.name}.png")


def run_notebooks(host, people):
    """Each their own, at the same time."""
    for person in people:
        path = f"/home/{person.name}/web.ipynb"
        host.check_output("printf %%s %s > %s && chown %s %s", json.dumps(notebook(CODE)), path, person.name, path)
        person.open("/tree/web.ipynb")
    for person in people:
        run_cell(person.browser)
    for person in people:
        person.browser.see(".jp-OutputArea-output", f"ran as {person.name} with numpy 2")


@pytest.fixture
def shown_unasked(chromium):
    try:
        with browser_certificates.shown_unasked(f"https://{NAME}"):
            yield
    except TestbedError as error:
        pytest.skip(str(error))


@pytest.mark.one_release
class TestAtBrowsers:
    def test_two_people_with_certificates_and_a_stranger(self, host, web, known, shown_unasked, tmp_path_factory):
        with ExitStack() as stack:
            two = [Person(stack, host, name, tmp_path_factory.mktemp(name), known, certified=name) for name in PEOPLE]
            run_notebooks(host, two)
            for person in two:
                person.picture("web-certificate")
            alice, bob = two
            bob.browser.open(f"https://{NAME}/user/alice/lab?token={alice.token}")
            bob.browser.see("h1", "403 Forbidden")
            stranger = Person(stack, host, "alice", tmp_path_factory.mktemp("stranger"), known)
            stranger.open("")
            stranger.browser.see("h1", "403 Forbidden")

    @pytest.mark.thorough
    def test_two_people_with_passwords(self, host, web, known, chromium, tmp_path_factory):
        done = web(playbook=WEB, **variables("basic"))
        assert done.ok, done.message
        with ExitStack() as stack:
            two = [Person(stack, host, name, tmp_path_factory.mktemp(name), known) for name in PEOPLE]
            for person in two:
                person.type_password()
            run_notebooks(host, two)
            for person in two:
                person.picture("web-notebook")
                person.open("/workspaces/terminal")
                open_terminal(person.browser)
            for person in two:
                said = host.file(f"/home/{person.name}/web.txt")
                tell_who(person.browser, said)
                assert said.content_string == f"here is {person.name}\n"
                person.picture("web-terminal")
        labs = {name: by_password(host, name) for name in PEOPLE}
        at_the_same_time.upload(host, labs)
        at_the_same_time.be_silent(labs)
