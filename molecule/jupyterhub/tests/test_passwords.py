# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who knows the password of an account of the host comes into the JupyterLab of that person, if the lab wants it."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from people import at_the_same_time
from waiting import wait_until

NAME, COOKIE = "lab.example.org", "research-server-lab"
PASSWORDS = {"alice": '  right "horse" 密码', "bob": "battery staple 7", "ops": "an administrator's"}
PROVIDER = ("client_id", "client_secret", "authorize_url", "token_url", "userdata_url")
BY_PASSWORD = {"jupyterhub_login": "pam", **{f"jupyterhub_{name}": "" for name in PROVIDER}}
DOOR, UNIT, GROUP = "/run/jupyterhub-login.sock", "jupyterhub-login.socket", "research-server-jupyterhub"
FILES = (
    "/etc/pam.d/research-server-jupyterhub",
    "/etc/systemd/system/jupyterhub-login.socket",
    "/etc/systemd/system/jupyterhub-login@.service",
    "/usr/local/lib/research-server/jupyterhub_login.py",
)
FAILED = "/var/log/nginx/research-server-failed.log"
DELAY = 4
# One try from each address.
FROM_MANY = f"""
import socket, ssl
from concurrent.futures import ThreadPoolExecutor
trusting = ssl._create_unverified_context()
def answer(end):
    with socket.create_connection(("127.0.0.1", 443), 120, (f"127.1.0.{{end}}", 0)) as channel:
        with trusting.wrap_socket(channel, server_hostname="{NAME}") as there:
            there.sendall(b"POST /hub/login HTTP/1.1\\r\\nHost: {NAME}\\r\\nContent-Length: 0\\r\\n\\r\\n")
            return there.recv(100).split()[1].decode()
with ThreadPoolExecutor(90) as pool:
    print(*pool.map(answer, range(1, 91)))
"""
# All at the same time: how many, the name that is typed, and the password.
TRIES = """
import http.client, re, socket, ssl, sys, urllib.parse
from concurrent.futures import ThreadPoolExecutor
def ask(number, method, body=None, **headers):
    channel = http.client.HTTPConnection("lab.example.org")
    channel.sock = connected(number)
    channel.request(method, "/hub/login", body, {"X-Forwarded-Proto": "https", **headers})
    answer = channel.getresponse()
    return answer.status, answer.read().decode(), answer.headers.get_all("Set-Cookie", [])
def reach_form(number):
    status, page, cookies = ask(number, "GET")
    typed = {"_xsrf": re.search('name="_xsrf" value="([^"]*)"', page)[1], "username": sys.argv[2], "password": sys.argv[3]}
    return number, urllib.parse.urlencode(typed), "; ".join(cookie.partition(";")[0] for cookie in cookies)
def try_it(form):
    number, typed, held = form
    kind = "application/x-www-form-urlencoded"
    status, page, _cookies = ask(number, "POST", typed, **{"Cookie": held, "Content-Type": kind})
    return status, "Invalid username or password" in page
many = int(sys.argv[1])
with ThreadPoolExecutor(many) as pool:
    print(sorted(set(pool.map(try_it, list(pool.map(reach_form, range(many)))))))
"""
# As nginx asks it, of whom each is somewhere else.
FROM_EVERYWHERE = f"""
def connected(_number):
    channel = socket.socket(socket.AF_UNIX)
    channel.connect("/run/jupyterhub.sock")
    return channel
{TRIES}"""
# At the door, each from another address of loopback.
FROM_LOOPBACK = f"""
def connected(number):
    channel = socket.create_connection(("127.0.0.1", 443), 180, (f"127.1.1.{{number + 1}}", 0))
    return ssl._create_unverified_context().wrap_socket(channel, server_hostname="{NAME}")
{TRIES}"""


@pytest.fixture(scope="module", autouse=True)
def by_password(host, converge):
    """The lab has another login than before; the last test goes back."""
    for name, password in PASSWORDS.items():
        host.check_output("printf '%%s:%%s' %s %s | chpasswd", name, password)
    done = converge(**BY_PASSWORD)
    assert done.ok, done.message
    yield
    if host.file(FILES[0]).exists:
        assert converge().ok
    for name in PASSWORDS:
        host.check_output("usermod -p '*' %s", name)


@pytest.fixture
def entered(visitor):
    def log_in(name):
        somebody = visitor()
        page = somebody.log_in_with(name, PASSWORDS[name])
        assert page.ok and page.url == f"https://{NAME}/user/{name}/lab", (page.status_code, page.url, page.text[:2000])
        return somebody

    return log_in


@pytest.fixture
def turned_away(visitor):
    def try_it(name, password):
        somebody = visitor()
        begun = time.monotonic()
        page = somebody.log_in_with(name, password)
        assert page.status_code == 403 and "Invalid username or password" in page.text, (name, page.status_code)
        assert not somebody.cookie("jupyterhub-hub-login") and not somebody.cookie(COOKIE)
        return time.monotonic() - begun

    return try_it


def test_the_right_password_opens_ones_own(entered):
    for name, other in (("alice", "bob"), ("bob", "alice")):
        somebody = entered(name)
        assert somebody.status(f"/user/{name}/api/kernels") == 200
        assert somebody.status(f"/user/{other}/api/kernels") == 401
        somebody.get(f"/user/{name}/logout")
        assert somebody.status(f"/user/{name}/api/kernels") == 401


def test_nothing_else_does(turned_away):
    for name, password in (
        ("alice", PASSWORDS["bob"]),
        ("alice", PASSWORDS["alice"].strip()),
        ("alice", f"{PASSWORDS['alice']}\0"),
        ("alice", f"{PASSWORDS['alice']}{'x' * 10000}"),
        ("alice", ""),
        ("Alice", PASSWORDS["alice"]),
        # With the right one, and in nobody's list.
        ("ops", PASSWORDS["ops"]),
        ("root", ""),
    ):
        assert turned_away(name, password) >= DELAY, "each no takes its time"


@pytest.mark.parametrize(
    ("shut", "open_again"),
    [("usermod -L", "usermod -U"), ("chage -E 1", "chage -E -1"), ("chage -d 0", "chage -d 2026-01-01")],
    ids=["locked", "expired", "to be changed"],
)
def test_who_is_shut_out_on_the_host_is_so_here(host, turned_away, shut, open_again):
    host.check_output(f"{shut} bob")
    try:
        turned_away("bob", PASSWORDS["bob"])
    finally:
        host.check_output(f"{open_again} bob")


def test_passwords_are_seen_nowhere(host, entered, turned_away):
    """Neither a right one, nor a wrong one while it is looked at, nor one in the place of the name."""
    wrong, misplaced = "wrong guess 4711", "typed as a name 4712"
    begun, seen = host.check_output("date +%s"), ""
    entered("alice")
    with ThreadPoolExecutor() as pool:
        trying = pool.submit(turned_away, "alice", wrong)
        while not trying.done():
            seen += host.check_output("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; true")
    trying.result()
    assert "jupyterhub_login.py" in seen, "it was looked at meanwhile"
    turned_away(misplaced, "x")
    journal = host.check_output("journalctl -o cat --no-pager --since @%s", begun)
    assert "user=alice" in journal and "Failed login for ''" in journal
    for password in (PASSWORDS["alice"], wrong, misplaced):
        assert password not in seen and password not in journal, password
        assert host.run("grep -rqaF -- %s /var/log/nginx /var/lib/private/jupyterhub", password).rc == 1, password


def test_a_colleague_does_not_reach_who_says_yes(host):
    ask = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({DOOR!r})"
    for name in ("bob", "www-data"):
        assert "PermissionError" in host.run("runuser -u %s -- python3 -c %s", name, ask).stderr
    assert host.check_output("getent group %s", GROUP).endswith(":")


def test_root_is_needed_for_little(host):
    for unit, most in (("jupyterhub.service", 2), ("jupyterhub-login@0.service", 3)):
        told = host.check_output("systemd-analyze security --no-pager %s | tail -n 1", unit)
        assert float(told.split(": ")[1].split()[0]) < most, told
    pid = host.check_output("systemctl show -p MainPID --value jupyterhub")
    status = dict(line.split(":", 1) for line in host.file(f"/proc/{pid}/status").content_string.splitlines())
    assert int(status["Uid"].split()[0]) > 60000 and int(status["CapEff"], 16) == 0
    assert not host.file("/etc/research-server/jupyterhub/client_secret").exists


@pytest.mark.one_release
class TestAttackers:
    def test_who_fails_stands_where_fail2ban_reads(self, host, entered, turned_away):
        lines = int(host.check_output(f"cat {FAILED} | wc -l"))
        entered("alice")
        assert int(host.check_output(f"cat {FAILED} | wc -l")) == lines
        turned_away("alice", "guess")
        assert int(host.check_output(f"cat {FAILED} | wc -l")) == lines + 1

    def test_who_does_not_wait_for_the_no_has_failed_as_well(self, host, visitor):
        """A yes would have come at once."""
        lines, somebody = int(host.check_output(f"cat {FAILED} | wc -l")), visitor()
        with pytest.raises(requests.Timeout):
            somebody.send(somebody.form(), "alice", "guess", DELAY / 2)
        wait_until(lambda: int(host.check_output(f"cat {FAILED} | wc -l")) == lines + 1, 60)

    def test_nobody_learns_who_there_is(self, visitor):
        def told(name):
            page = visitor().log_in_with(name, "guess").text.replace(name, "NAME")
            return re.sub(r'(name="_xsrf" value=|nonce=|xsrf_token: )"[^"]*"', "", page)

        assert "NAME" in told("alice") and told("alice") == told("mallory")
        for path in ("", "?x", "/", "/lab", "/api", "/logout", "/login?next=x"):
            for kind in ("text/html", "application/json"):
                asked = {"headers": {"Accept": kind}, "allow_redirects": False}
                hers, nobodys = (visitor().get(f"/user/{name}{path}", **asked) for name in ("alice", "mallory"))
                assert hers.status_code == nobodys.status_code, path
                assert hers.headers.get("Location", "").replace("alice", "mallory") == nobodys.headers.get("Location", "")

    def test_a_password_is_asked_for_at_the_login_page_alone(self, visitor):
        """JupyterHub's interface takes one, too; there nobody counts who fails."""
        for password in ("guess", PASSWORDS["alice"]):
            told = {"auth": {"username": "alice", "password": password}}
            assert visitor().status("/hub/api/users/alice/tokens", "POST", json=told) == 404

    def test_who_has_many_addresses_tries_no_faster(self, host):
        """Somebody on the host has all of loopback."""
        said = host.check_output("python3 -c %s", FROM_MANY).split()
        assert {*said} == {"403", "429"} and said.count("403") < 75

    def test_a_colleague_with_many_addresses_keeps_nobody_out(self, host, entered):
        """More tries than who says yes or no gets through with while bob would wait."""
        unit, said = "colleague", "/run/colleague"
        host.check_output(
            f"rm -f {said}; systemd-run --unit={unit} --collect --uid=alice --property=StandardOutput=file:{said} "
            "python3 -c %s 200 bob guess",
            FROM_LOOPBACK,
        )
        wait_until(lambda: host.run("systemctl --no-legend list-units 'jupyterhub-login@*'").stdout, 60)
        entered("bob")
        assert host.service(unit).is_running, "all of that was while the colleague tried"
        wait_until(lambda: not host.service(unit).is_running, 120)
        assert host.file(said).content_string.strip() == "[(403, True), (429, False)]"

    def test_a_page_from_elsewhere_logs_nobody_in(self, visitor):
        typed = {"username": "alice", "password": PASSWORDS["alice"]}
        somebody = visitor()
        somebody.get("/hub/login")
        for forged in (
            {"data": typed},
            {"data": {**typed, "_xsrf": "x"}},
            {"data": typed, "headers": {"Origin": "https://evil.example"}},
        ):
            assert somebody.status("/hub/login", "POST", **forged) == 403 and not somebody.cookie("jupyterhub-hub-login")

    def test_nobody_tries_faster_than_people_type(self, visitor):
        somebody, begun = visitor(), time.monotonic()
        assert {somebody.status("/hub/login", "POST", data={}) for _ in range(12)} == {403}
        assert time.monotonic() - begun > 5, "a second for each of them but the first"
        with ThreadPoolExecutor(90) as pool:
            said = list(pool.map(lambda _try: visitor().status("/hub/login", "POST", data={}), range(90)))
        assert {*said} == {403, 429} and said.count(403) < 75


@pytest.mark.one_release
class TestManyAtOnce:
    """A class is no attack: whoever comes with others has to wait, and is let in."""

    def test_a_class_behind_one_address(self, entered):
        with ThreadPoolExecutor(12) as pool:
            assert len(list(pool.map(lambda _person: entered("alice"), range(12)))) == 12

    def test_more_from_everywhere_than_the_door_takes(self, host):
        """Each no keeps it busy for seconds."""
        assert host.check_output("python3 -c %s 30 alice guess", FROM_EVERYWHERE) == "[(403, True)]"


@pytest.mark.one_release
def test_two_people_at_browsers(two_at_browsers):
    for person in two_at_browsers:
        person.browser.open(f"https://{NAME}/user/{person.name}/lab?reset")
        for field, text in (("username", person.name), ("password", PASSWORDS[person.name])):
            person.browser.click(f"#{field}_input")
            person.browser.write(text)
        person.picture("hub-password")
        person.browser.press_enter()
    for person in two_at_browsers:
        person.browser.see(".jp-Launcher")
        person.picture("hub-entered")


@pytest.mark.one_release
@pytest.mark.thorough
def test_two_people_upload_and_are_silent(host, entered):
    labs = {name: entered(name).lab(name) for name in ("alice", "bob")}
    at_the_same_time.upload(host, labs)
    at_the_same_time.be_silent(labs)


@pytest.mark.one_release
class TestRuns:
    def test_check_mode_tells_the_truth(self, host, converge, visitor, entered):
        host.check_output(f"echo 'auth sufficient pam_permit.so' >> {FILES[0]}; gpasswd -a bob {GROUP}; systemctl stop {UNIT}")
        assert visitor().log_in_with("alice", PASSWORDS["alice"]).status_code == 503, "nobody says yes"
        foreseen = converge("--check", "--diff", **BY_PASSWORD)
        assert foreseen.ok and foreseen.changed == 1, foreseen.message
        for says in ("auth sufficient pam_permit.so", '"bob\\n"', "inactive, static"):
            assert says in foreseen.text, says
        done = converge(**BY_PASSWORD)
        assert done.ok and done.changed == 1, done.message
        assert converge("--check", **BY_PASSWORD).changed == 0
        assert host.check_output("getent group %s", GROUP).endswith(":")
        entered("alice")

    def test_a_provider_beside_it_is_refused(self, converge):
        done = converge(jupyterhub_login="pam")
        assert (
            not done.ok
            and "jupyterhub_client_id: found a value with 'jupyterhub_login: pam'" in done.message
            and not done.changed
        )


def test_going_back_leaves_nothing_of_it_but_sessions(host, converge, visitor, entered):
    alice = entered("alice")
    done = converge()
    assert done.ok, done.message
    assert not [path for path in (*FILES, DOOR) if host.file(path).exists]
    assert host.run("getent group %s", GROUP).rc != 0 and not host.service(UNIT).is_running
    assert alice.status("/user/alice/api/kernels") == 200
    assert visitor().log_in("bob").ok
