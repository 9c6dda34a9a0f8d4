# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has logged in comes into their own JupyterLab, and nobody into somebody else's."""

from __future__ import annotations

import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import websocket
from people import at_the_same_time
from people.jupyter_api import Jupyter, JupyterError, execute_request, wait_until_answers
from people.researcher import login_of, main_pid, port_of, token_of
from people.ssh_tunnel import tunnel
from waiting import wait_until

NAME, COOKIE, PATIENCE = "lab.example.org", "research-server-lab", 180
WORDS = "/var/lib/research-server-jupyterhub"
PROGRAM = "/usr/local/lib/research-server/jupyterhub_config.py"
# What a class of hundreds would have it do, on demand.
COMPUTES = """
import signal
def compute(*_signal):
    end = time.monotonic() + 45
    while time.monotonic() < end:
        pass
signal.signal(signal.SIGUSR2, compute)
"""
SECRET = "word between the lab and the institute"
CODE = """import getpass, numpy
print("ran as", getpass.getuser(), "with numpy", numpy.__version__)"""


def sql(host, query):
    """What the hub has written down, or would have."""
    file = "/var/lib/private/jupyterhub/jupyterhub.sqlite"
    program = f"import sqlite3; c = sqlite3.connect({file!r}, 30); print(c.execute({query!r}).fetchall()); c.commit()"
    return host.check_output("python3 -c %s", program)


def refusal(jupyter):
    with pytest.raises(JupyterError) as refused:
        jupyter.kernels()
    return str(refused.value)


def test_a_cell_and_a_terminal(host, people):
    for name, somebody in people.items():
        theirs = somebody.lab(name)
        wait_until_answers(theirs, PATIENCE)
        assert f"ran as {name} with numpy 2" in theirs.execute("lab", CODE)
        assert f"here is {name}" in theirs.shell("echo here is $(id -un)")
        assert theirs.get("/api/me")["identity"]["username"] == name


@pytest.mark.thorough
def test_two_people_upload_and_are_silent(host, people):
    labs = {name: somebody.lab(name) for name, somebody in people.items()}
    for lab in labs.values():
        wait_until_answers(lab, PATIENCE)
    at_the_same_time.upload(host, labs)
    at_the_same_time.be_silent(labs)


def test_one_server_two_doors(host, people):
    hers = people["alice"].lab("alice")
    with hers.kernel("lab") as kernel, tunnel(login_of(host, "alice"), port_of(host, "alice")) as local:
        assert hers.run(kernel, "x = 6") == ""
        by_tunnel = Jupyter(f"http://127.0.0.1:{local}/user/alice", token_of(host, "alice"), PATIENCE)
        assert by_tunnel.run(kernel, "print(x * 7)").strip() == "42"
        # There the token is asked for as ever; the hub's cookies are nothing. By the web it would be one too many in an address.
        web, other = host.check_output("runuser -l alice -c lab-jupyter").split("On your own computer")
        assert f"    https://{NAME}/user/alice/lab\n" in web and "token" not in web and f"token={by_tunnel.token}" in other
        assert " 403 " in refusal(Jupyter(f"http://127.0.0.1:{local}/user/alice", "", PATIENCE, headers=hers.headers))


def test_the_hub_can_do_nothing_on_the_host(host):
    told = host.check_output("systemd-analyze security --no-pager jupyterhub.service | tail -n 1")
    assert float(told.split(": ")[1].split()[0]) < 2, told
    pid = host.check_output("systemctl show -p MainPID --value jupyterhub")
    status = dict(line.split(":", 1) for line in host.file(f"/proc/{pid}/status").content_string.splitlines())
    assert int(status["Uid"].split()[0]) > 60000 and int(status["CapEff"], 16) == 0 and status["NoNewPrivs"].strip() == "1"


def test_secrets_are_nobodys(host, people, visitor):
    pid = host.check_output("systemctl show -p MainPID --value jupyterhub")
    seen = host.check_output("cat /proc/%s/cmdline /proc/%s/environ | tr '\\0' '\\n'", pid, pid)
    key = host.file("/etc/research-server/jupyterhub/key").content_string
    assert "jupyterhub_config.py" in seen and SECRET not in seen and key not in seen
    for path in ("/etc/research-server/jupyterhub/client_secret", "/etc/research-server/jupyterhub/key", f"{WORDS}/bob"):
        assert "Permission denied" in host.run("runuser -u alice -- cat %s", path).stderr
    assert host.run("runuser -u alice -- ls /var/lib/jupyterhub/").rc != 0
    # Who comes by an address with a token in it and has not logged in, or is somebody else, is sent to the login with all of it.
    theirs = "a-token-in-an-address"
    assert visitor().get(f"/user/alice/lab?token={theirs}").ok
    assert people["bob"].get(f"/user/alice/lab?token={theirs}").status_code == 403
    log = host.check_output("cat /var/log/nginx/research-server*.log")
    assert "/hub/oauth_callback" in log and "code=" not in log
    journal = log + host.check_output("journalctl -u jupyterhub -u nginx -o cat")
    assert "GET /hub/lab?" in journal and not [text for text in (SECRET, key, theirs) if text in journal]
    word = host.file(f"{WORDS}/bob").content_string.strip()
    assert len(word) == 64 and word not in journal


@pytest.mark.one_release
class TestAttackers:
    def test_a_stranger(self, visitor):
        stranger = visitor()
        for path in ("/user/alice/api", "/user/alice/lab", "/user/alice/static/favicon.ico"):
            assert stranger.status(path) == 401, path
        page = stranger.get("/user/alice/lab?reset", allow_redirects=False)
        assert (page.status_code, page.headers["Location"]) == (302, "/hub/lab?next=/user/alice/lab?reset")
        assert "the institute" in stranger.get("/user/alice/lab").text

    def test_somebody_whom_the_institute_knows_and_the_lab_does_not(self, host, visitor):
        mallory = visitor()
        assert mallory.log_in("mallory").status_code == 403
        assert not mallory.cookie("jupyterhub-hub-login") and not mallory.cookie(COOKIE)
        assert "mallory" not in sql(host, "select name from users")

    def test_somebody_whose_name_looks_like_a_members(self, host, visitor):
        for name in ("Alice", "ALICE", "alice ", "alice\n", "root"):
            somebody = visitor()
            assert somebody.log_in(name).status_code == 403 and not somebody.cookie(COOKIE), name
        assert sql(host, "select name from users where lower(trim(name)) not in ('alice', 'bob')") == "[]"

    def test_a_login_that_somebody_else_began(self, visitor):
        """With the state and the word of PKCE that are in another browser; nor can its end lead to another server."""
        began, other = visitor(), visitor()
        form = began.get("/hub/oauth_login?next=//evil.example/")
        assert "code_challenge_method=S256" in form.url and f"redirect_uri=https%3A%2F%2F{NAME}%2Fhub%2F" in form.url
        back = began.session.post(form.url, data={"sub": "bob"}, timeout=PATIENCE, allow_redirects=False).headers["Location"]
        for prepare in ("/hub/login", "/hub/oauth_login"):
            other.get(prepare)
            assert other.status(back.partition(NAME)[2]) == 400 and not other.cookie("jupyterhub-hub-login")
        forged = began.get("/hub/oauth_login", headers={"X-Scheme": "http", "X-Forwarded-Host": "evil.example"}).url
        assert f"redirect_uri=https%3A%2F%2F{NAME}%2F" in forged
        end = began.log_in("bob", "/hub/login?next=//evil.example/")
        assert end.url.startswith(f"https://{NAME}/"), end.url

    def test_the_hub_is_not_filled(self, visitor):
        """It keeps what it is sent in its memory."""
        assert visitor().status("/hub/oauth_login", "POST", data=b"x" * (1 << 17)) == 413

    def test_its_database_is_not_filled_either(self, host, people, visitor):
        """By one who asks again and again, as the browser that he is and as always another one."""
        bob, at_home, count = visitor(), people["bob"], "from api_tokens join users on users.id = user_id where name = 'bob'"
        bob.log_in("bob")
        earlier = bob.cookie(COOKIE)
        assert bob.status("/hub/lab") == 302 and bob.cookie(COOKIE) != earlier
        # The answer may never have reached the browser.
        with_it = visitor().get("/user/bob/api/kernels", headers={"Cookie": f"{COOKIE}={earlier}"}, allow_redirects=False)
        assert with_it.status_code == 200
        for _time in range(40):
            assert bob.status("/hub/lab") == 302
        assert sql(host, f"select count(*) {count} and session_id = '{bob.cookie('jupyterhub-session-id')}'") == "[(3,)]"
        assert bob.status("/user/bob/api/kernels") == at_home.status("/user/bob/api/kernels") == 200
        for _time in range(40):
            bob.session.cookies.clear(NAME, "/", "jupyterhub-session-id")
            assert bob.status("/hub/lab") == 302
        assert sql(host, f"select count(*) {count}") == "[(32,)]"
        # His other browsers are pushed out, and come in again without a login.
        assert (bob.status("/user/bob/api/kernels"), at_home.status("/user/bob/api/kernels")) == (200, 401)
        assert people["alice"].status("/user/alice/api/kernels") == 200, "nobody else's are"
        assert at_home.get("/user/bob/lab").url == f"https://{NAME}/user/bob/lab"

    def test_a_member_at_a_colleagues(self, host, people, visitor):
        alice, hers = people["alice"], {"Authorization": f"token {token_of(host, 'bob')}"}
        for path in ("/user/bob/api/kernels", "/user/bob/lab", "/user/bob/login"):
            assert alice.status(path) == 401 and alice.status(path, headers=hers) == 401, path
            assert alice.status(path, params={"token": token_of(host, "bob")}) == 401
        assert alice.get("/user/bob/lab").status_code == 403
        # The login to one's own leads nowhere else.
        for place in ("/user/bob/lab", "https://evil.example/", "//evil.example/", "/hub/home"):
            assert alice.get(f"/hub/lab?next={place}", allow_redirects=False).status_code == 403, place

    def test_no_path_leads_around_it(self, people):
        for path in (
            "/user/alice/../bob/api/kernels",
            "/user/alice/%2e%2e/bob/api/kernels",
            "/user/alice%2f..%2fbob/api/kernels",
            "/user/%62ob/api/kernels",
            "/user//bob/api/kernels",
            "/user/alice/..%5cbob/api/kernels",
            "/USER/bob/api/kernels",
        ):
            assert people["alice"].status(path) in (400, 401, 403, 404), path

    def test_what_opens_a_jupyterlab_is_sent_there_alone_and_no_page_reads_it(self, people):
        hers = next(cookie for cookie in people["alice"].session.cookies if cookie.name == COOKIE)
        assert (hers.path, hers.secure, hers.domain_specified) == ("/user/alice/", True, False)
        assert hers.has_nonstandard_attr("HttpOnly") and hers.get_nonstandard_attr("SameSite") == "Lax"

    def test_what_only_nginx_says_nobody_else_can(self, host, people):
        alice = people["alice"]
        word = host.file(f"{WORDS}/bob").content_string.strip()
        forged = {"X-Research-Server-Person": "bob", "X-Research-Server-Door": word}
        assert alice.status("/user/bob/api/kernels", headers=forged) == 401
        # Past nginx by the tunnel of somebody else's there is no way, and her own server does not take his word.
        assert alice.status("/user/alice/api/kernels", headers=forged) == 200
        assert alice.status("/.research-server/may") == 404
        for headers in ({}, {"X-Research-Server-Person": "alice"}):
            assert alice.status("/hub/lab/may", headers=headers) == 401
        with tunnel(login_of(host, "alice"), port_of(host, "alice")) as local:
            at_hers = Jupyter(f"http://127.0.0.1:{local}/user/alice", "", PATIENCE, headers=forged)
            assert " 403 " in refusal(at_hers)

    def test_pages_from_elsewhere(self, people):
        alice = people["alice"]
        hers = alice.lab("alice")
        assert alice.status("/user/alice/api/kernels", "POST", json={"name": "lab"}) == 403, "without the word against it"
        assert alice.status("/user/alice/api/kernels", headers={"Origin": "https://evil.example"}) == 403
        with hers.kernel("lab") as kernel:
            for origin in ("https://evil.example", "null"):
                with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
                    websocket.create_connection(
                        f"wss://{NAME}/user/alice/api/kernels/{kernel}/channels",
                        origin=origin,
                        sslopt={"ca_certs": hers.authority},
                        header=dict(hers.headers),
                        timeout=PATIENCE,
                    )

    def test_a_colleague_on_the_host(self, host):
        ask = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/jupyterhub.sock')"
        assert "PermissionError" in host.run("runuser -u bob -- python3 -c %s", ask).stderr
        assert host.run("runuser -u www-data -- python3 -c %s", ask).rc == 0
        reach = f"import socket; socket.create_connection(('127.0.0.1', {port_of(host, 'alice')}), 5)"
        assert "refused" in host.run("runuser -u bob -- python3 -c %s", reach).stderr

    def test_nobody_gets_tokens_servers_or_other_people_of_the_hub(self, people, visitor):
        alice = people["alice"]
        xsrf = alice.cookie("_xsrf", "/hub/")
        for method, path in (
            ("POST", "/hub/api/users/alice/tokens"),
            ("POST", "/hub/api/users/alice/server"),
            ("GET", "/hub/api/users"),
            ("GET", "/hub/api/users/bob"),
            ("POST", "/hub/api/users/eve"),
            ("POST", "/hub/api/shutdown"),
            ("GET", "/hub/admin"),
        ):
            assert alice.status(path, method, headers={"X-XSRFToken": xsrf}) in (403, 404), path
        for page in ("/hub/home", "/hub/token", "/hub/spawn/alice", "/hub/user/bob/lab"):
            led = alice.get(page, allow_redirects=False)
            assert (led.status_code, led.headers["Location"]) == (302, "/hub/lab"), page
        # What a browser has for one's JupyterLab opens nothing of the hub's own.
        bearer = {"Authorization": f"token {alice.cookie(COOKIE)}"}
        assert visitor().status("/hub/api/user", headers=bearer) == 404


def plain(name):
    """Of a package, as an index has it (PyPA, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


def restarts_of(host, unit):
    return int(host.check_output(f"systemctl show -p NRestarts --value {unit}"))


def pid_of(host):
    return host.check_output("systemctl show -p MainPID --value jupyterhub")


def stands_still(host, pid):
    """Whether the process is there and does nothing (proc_pid_stat(5))."""
    return host.run("cut -d ' ' -f 3 /proc/%s/stat", pid).stdout.strip() == "T"


@contextmanager
def channel(jupyter, kernel):
    """A channel that stays open, as a notebook has one. Yields what runs code by it."""
    address = f"wss{jupyter.url.removeprefix('https')}/api/kernels/{kernel}/channels"
    files = {"ca_certs": jupyter.authority}
    opened = websocket.create_connection(address, sslopt=files, header=dict(jupyter.headers), timeout=PATIENCE)

    def run(code):
        opened.send(json.dumps(execute_request(code, "open")))
        while (message := json.loads(opened.recv()))["header"]["msg_type"] != "stream":
            pass
        return message["content"]["text"].strip()

    yield run
    opened.close()


@pytest.mark.one_release
class TestManyAtOnce:
    """Slow is slow, and no page that says it failed."""

    def test_a_jupyterlab_that_takes_its_time(self, host, people):
        """Longer than systemd would wait; one that does nothing meanwhile is ended."""
        drop_in, settings = (
            "/run/systemd/system/jupyter@alice.service.d/short.conf",
            "/home/alice/.jupyter/jupyter_server_config.py",
        )
        host.check_output(f"mkdir -p {drop_in.rpartition('/')[0]} && printf '[Service]\\nTimeoutStartSec=15\\n' > {drop_in}")
        host.check_output("systemctl daemon-reload && install -d -o alice -g alice /home/alice/.jupyter")
        try:
            for takes, restarts in (("while time.process_time() < 25: pass", False), ("time.sleep(600)", True)):
                host.check_output("printf 'import time\\n%%s\\n' %s > %s", takes, settings)
                host.check_output("systemctl stop jupyter@alice.service && systemctl reset-failed jupyter@alice.service; true")
                if restarts:
                    host.check_output("systemctl start --no-block jupyter@alice.service")
                    wait_until(lambda: restarts_of(host, "jupyter@alice") > 0, PATIENCE)
                else:
                    assert people["alice"].status("/user/alice/api/kernels") == 200
                    assert restarts_of(host, "jupyter@alice") == 0
        finally:
            host.check_output(f"rm {drop_in} {settings}; systemctl daemon-reload; systemctl stop jupyter@alice.service")

    def test_a_provider_that_takes_its_time(self, host, visitor):
        class_of = [visitor() for _person in range(12)]
        forms = [somebody.reach_form() for somebody in class_of]
        codes = [
            somebody.session.post(form.url, data={"sub": "alice"}, timeout=PATIENCE, allow_redirects=False).headers["Location"]
            for somebody, form in zip(class_of, forms, strict=True)
        ]
        pid = host.check_output("systemctl show -p MainPID --value provider")
        host.check_output(f"kill -STOP {pid}; systemd-run --on-active=25 kill -CONT {pid}")
        with ThreadPoolExecutor(len(class_of)) as pool:
            pages = list(pool.map(lambda somebody, code: somebody.get(code.partition(NAME)[2]), class_of, codes))
        assert {(page.status_code, page.url) for page in pages} == {(200, f"https://{NAME}/user/alice/lab")}


@pytest.mark.one_release
class TestSessions:
    def test_who_logs_out_is_out(self, visitor):
        alice = visitor()
        alice.log_in("alice")
        hers = alice.lab("alice")
        assert hers.kernels()
        assert alice.get("/user/alice/logout").url == f"https://{NAME}/hub/login"
        assert " 401 " in refusal(hers), "with the cookies of before"

    def test_logging_out_ends_what_outlives_the_login_itself(self, visitor):
        """A browser forgets some cookies when it is closed, and the login when that has ended."""
        for forget in (
            lambda cookies: cookies.clear_session_cookies(),
            lambda cookies: cookies.clear(NAME, "/hub/", "jupyterhub-hub-login"),
        ):
            alice = visitor()
            alice.log_in("alice")
            forget(alice.session.cookies)
            assert alice.status("/user/alice/api/kernels") == 200, "the JupyterLab is still open to this browser"
            alice.get("/user/alice/logout")
            assert alice.status("/user/alice/api/kernels") == 401

    def test_a_session_ends_by_itself(self, host, visitor):
        alice = visitor()
        alice.log_in("alice")
        assert alice.status("/user/alice/api/kernels") == 200
        days = "(julianday(expires_at) - julianday('now'))"
        newest = "id = (select max(id) from api_tokens)"
        assert sql(host, f"select round({days}) from api_tokens where {newest}") == "[(7.0,)]"
        sql(host, f"update api_tokens set expires_at = datetime('now', '-1 minute') where {newest}")
        assert alice.status("/user/alice/api/kernels") == 401

    def test_a_restart_of_the_hub_leaves_kernels_and_sessions_alone(self, host, people):
        hers, before = people["alice"].lab("alice"), main_pid(host, "alice")
        with hers.kernel("lab") as kernel:
            assert hers.run(kernel, "x = 6") == ""
            host.check_output("systemctl restart jupyterhub.service")
            # Whoever comes meanwhile waits.
            assert hers.run(kernel, "print(x * 7)").strip() == "42"
        assert main_pid(host, "alice") == before

    def test_without_the_hub_nothing_is_open(self, host, people):
        hers = people["alice"].lab("alice")
        with hers.kernel("lab") as kernel:
            try:
                host.check_output("systemctl stop jupyterhub.socket jupyterhub.service")
                assert " 500 " in refusal(hers)
                assert people["bob"].status("/user/alice/api") == 500
            finally:
                host.check_output("systemctl start jupyterhub.socket jupyterhub.service")
            assert hers.run(kernel, "print('still there')").strip() == "still there"

    def test_a_hub_that_hangs(self, host, people, visitor):
        hers, hung = people["alice"].lab("alice"), pid_of(host)
        with hers.kernel("lab") as kernel, channel(hers, kernel) as run:
            assert run("x = 6; print(x)") == "6"
            host.check_output(f"kill -STOP {hung}")
            # Nothing is open, what is open goes on, and nobody else waits.
            with pytest.raises(requests.Timeout):
                people["bob"].session.get(f"https://{NAME}/user/alice/api", timeout=5)
            assert run("print(x * 7)") == "42"
            assert visitor().status("/elsewhere") == 404
            assert stands_still(host, hung), "all of that was while it did"
            # systemd notices it. Whoever comes meanwhile waits.
            assert people["alice"].status("/user/alice/api/kernels") == 200
            assert people["bob"].status("/user/alice/api/kernels") == 401
            assert pid_of(host) != hung and run("print(x * 8)") == "48"

    def test_a_hub_that_computes_does_not_hang(self, host, people):
        """For longer than systemd waits, in the thread that answers: whoever comes meanwhile waits, and everybody stays in."""
        host.check_output(f"cp -a {PROGRAM} {PROGRAM}.kept && printf %%s %s >> {PROGRAM}", COMPUTES)
        try:
            host.check_output("systemctl restart jupyterhub.service")
            busy, begun = pid_of(host), time.monotonic()
            host.check_output(f"kill -USR2 {busy}")
            assert people["alice"].status("/user/alice/api/kernels") == 200
            assert time.monotonic() - begun > 40 and pid_of(host) == busy
        finally:
            host.check_output(f"mv {PROGRAM}.kept {PROGRAM} && systemctl restart jupyterhub.service")

    def test_it_wakes(self, host, people):
        host.check_output("systemctl stop jupyter@alice.service")
        # Not who may not come in.
        assert people["bob"].status("/user/alice/api") == 401
        assert not host.service("jupyter@alice").is_running
        wait_until_answers(people["alice"].lab("alice"), PATIENCE)
        assert host.service("jupyter@alice").is_running

    def test_who_leaves_is_out_with_the_next_run(self, host, converge, people):
        his = people["bob"].lab("bob")
        assert his.kernels()
        try:
            done = converge(jupyterhub_users=["alice"])
            assert done.ok, done.message
            assert " 401 " in refusal(his)
            assert "bob" not in sql(host, "select name from users") and "alice" in sql(host, "select name from users")
            assert sql(host, "select count(*) from api_tokens where user_id not in (select id from users)") == "[(0,)]"
            assert not host.file(f"{WORDS}/bob").exists
            assert people["alice"].lab("alice").kernels(), "nobody else is"
        finally:
            assert converge().ok
        assert people["bob"].log_in("bob").ok


@pytest.mark.one_release
class TestRuns:
    def test_check_mode_tells_the_truth(self, host, converge):
        host.check_output("echo '# more' >> /usr/local/lib/research-server/jupyterhub_config.py")
        host.check_output(f"chmod 0644 /etc/research-server/jupyterhub/client_secret && echo other > {WORDS}/alice")
        host.check_output("systemctl disable jupyterhub.socket; systemctl stop jupyterhub.service")
        foreseen = converge("--check", "--diff")
        assert foreseen.ok and foreseen.changed == 1, foreseen.message
        for says in ("# more", "mode 0644", "old secret", "active, disabled", "inactive, enabled"):
            assert says in foreseen.text, says
        assert SECRET not in foreseen.text and host.service("jupyterhub.service").is_running is False
        done = converge()
        assert done.ok and done.changed == 1, done.message
        assert converge("--check").changed == 0

    def test_what_it_does_not_run_with_is_taken_back(self, host, converge, people):
        before = host.file("/etc/systemd/system/jupyterhub.service").content_string
        done = converge(__jupyterhub_unit_settings={"User": "nobody-there", "StateDirectory": "jupyterhub"})
        assert not done.ok and "the one before is back" in done.message, done.message
        assert host.file("/etc/systemd/system/jupyterhub.service").content_string == before
        wait_until(lambda: people["alice"].status("/user/alice/api") == 200, PATIENCE)

    def test_all_of_its_environment_can_be_locked(self, host, converge, people, tmp_path):
        variables = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], "molecule/shared/vars/ssh.yml")
        lock = {"jupyterhub_lock": str(tmp_path / "jupyterhub.linux-64.lock.json"), "jupyterhub_lock_policy": "require"}
        refused = converge(**lock)
        assert refused.changed == 0 and f"there is no lock {lock['jupyterhub_lock']}" in refused.message
        for changes in (1, 0):
            made = converge("-e", f"@{variables}", playbook="playbooks/lock.yml", conda_envs_lock_only=["jupyterhub"], **lock)
            assert made.ok and made.changed == changes, made.message
        done = converge(**lock)
        assert done.ok and converge(**lock).changed == 0, done.message
        # pip was told by hashes what to take, of what nobody has named, too.
        locked = {item["name"]: item for item in json.loads(Path(lock["jupyterhub_lock"]).read_text())["pip"]}
        assert {"jupyterhub", "oauthenticator", "tornado", "sqlalchemy"} <= {*locked}
        assert all(item["hashes"] for item in locked.values())
        found = json.loads(host.check_output("/opt/miniconda3/envs/jupyterhub/bin/python -I -m pip list --format json"))
        there = {plain(item["name"]): item["version"] for item in found}
        assert {name: there.get(plain(name)) for name in locked} == {name: item["version"] for name, item in locked.items()}
        assert people["alice"].status("/user/alice/api/kernels") == 200

    def test_bad_input_is_refused_before_anything_is_changed(self, converge):
        for variables, says in (
            ({"jupyterhub_token_url": "http://login.example.org/token"}, "expected an address of https"),
            ({"jupyterhub_users": ["alice", "zoe"]}, "zoe, without a JupyterLab"),
        ):
            done = converge(**variables)
            assert not done.ok and says in done.message and not done.changed, done.message


def test_the_words_are_of_people_alone(host):
    """Last: what a run has left."""
    doors = json.loads(
        host.check_output(
            "python3 -c %s", "import json, os; print(json.dumps(sorted(os.listdir('/var/lib/research-server-jupyterhub'))))"
        )
    )
    assert doors == ["alice", "bob"]
