# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A notebook is private: bob tries to be ada's JupyterLab, and to get into what she runs; her notebook tries to get out.

Between people it is the kernel's table that decides, the same on every release; a sandbox is the work of the release's systemd.
"""

from __future__ import annotations

import contextlib
import re

import pytest
import requests
from people.jupyter_api import Jupyter, wait_until_answers
from people.ssh_tunnel import tunnel
from waiting import wait_until

EVERYWHERE = ("127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::")
WEB_PORT = 34567
WAIT = "for i in $(seq 600); do ss -Hltn sport = :%s | grep -q . && exit; sleep 0.1; done; exit 1"


@pytest.fixture
def down(host, ada, bob):
    """ada's JupyterLab does not run, and systemd does not hold its place, for a test."""
    host.check_output("systemctl stop jupyter@ada.socket jupyter@ada")
    yield
    bob.stop()
    start(host, ada)


def start(host, person):
    host.check_output(f"systemctl reset-failed; systemctl start jupyter@{person.name}.socket jupyter@{person.name}")


def own_addresses(host):
    return [*EVERYWHERE, *host.check_output("hostname -I").split()]


def token_sent(person, target):
    """What a browser gets at the end of a tunnel, with the token: the server, an impostor's answer, or nothing."""
    with tunnel(person.login, person.port, target) as port:
        headers = {"Authorization": f"token {person.token}"}
        try:
            answer = requests.get(f"http://127.0.0.1:{port}/api/kernels", headers=headers, timeout=8)
        except requests.RequestException:
            return "nothing"
        return "server" if answer.ok and answer.json() == [] else answer.text


def listening(host, person):
    """The TCP ports on which programs of this person listen (proc(5))."""
    rows = [row.split() for row in host.check_output("cat /proc/net/tcp /proc/net/tcp6").splitlines()]
    uid = str(host.user(person.name).uid)
    return sorted({int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A" and row[7] == uid})


@pytest.mark.one_release
class TestImpostor:
    """Whoever listens in the place of ada's JupyterLab gets her token, and with it her account."""

    @pytest.mark.parametrize("target", ["localhost", "127.0.0.1"])
    def test_a_tunnel_leads_to_her_server_while_it_is_up(self, host, ada, bob, target):
        on = bob.listen(ada.port, own_addresses(host))
        assert "::1" in on, "bob can listen there at all"
        assert token_sent(ada, target) == "server"
        assert bob.visitors() == []

    @pytest.mark.parametrize("target", ["localhost", "127.0.0.1"])
    def test_a_tunnel_leads_nowhere_while_it_is_down(self, host, ada, bob, down, target):
        on = bob.listen(ada.port, own_addresses(host))
        assert {"127.0.0.1", "::1"} <= set(on)
        assert token_sent(ada, target) == "nothing"
        assert bob.visitors() == []

    def test_nor_does_any_other_address(self, host, ada, bob, down):
        on = bob.listen(ada.port, own_addresses(host))
        for address in {*on, "127.9.9.9"} - {"0.0.0.0", "::"}:
            assert ada.connect(ada.port, address) != "open", address
        assert bob.visitors() == []

    def test_a_full_queue_does_not_make_it_answer(self, ada, bob, down):
        """With a full queue the kernel answers with SYN cookies, which belong to no account."""
        bob.listen(ada.port, ["0.0.0.0"], backlog=0)
        assert ada.python(CONNECT_OFTEN.format(port=ada.port, count=12, seconds=1.5)).stdout.strip() == "0"

    def test_nor_does_he_answer_by_connecting_at_the_same_time(self, ada, bob, down):
        """Two who connect to each other need nobody who listens (simultaneous open)."""
        bob.start(MEET.format(own=ada.port, other=31999, seconds=30))
        assert ada.python(MEET.format(own=31999, other=ada.port, seconds=8)).stdout.strip() == "0"


CONNECT_OFTEN = """
import socket
connected, clients = 0, []
for number in range({count}):
    client = socket.socket()
    client.settimeout({seconds})
    connected += client.connect_ex(("127.0.0.1", {port})) == 0
    clients.append(client)
print(connected)
"""
MEET = """
import socket, time
met, end = 0, time.monotonic() + {seconds}
while time.monotonic() < end:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.settimeout(0.2)
    try:
        client.bind(("127.0.0.1", {own}))
        client.connect(("127.0.0.1", {other}))
        met += 1
    except OSError:
        pass
    client.close()
print(met)
"""
# Listens where ada will ask, and has asked himself before, from the ports that the kernel will give her next.
EARLIER = """
import contextlib, socket, struct, threading, time
target = ("::1", {port})
server = socket.create_server(target, family=socket.AF_INET6, backlog=64)
def answer():
    while True:
        client = server.accept()[0]
        with contextlib.suppress(OSError):
            client.sendall(b"impostor")
        client.close()
threading.Thread(target=answer, daemon=True).start()
def ask(source=None):
    client = socket.socket(socket.AF_INET6)
    client.setblocking(False)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        if source:
            client.bind(("::1", source))
        client.connect_ex(target)
    own = client.getsockname()[1]
    client.close()
    return own
while True:
    first = ask()
    for source in range(first + 2, first + 130, 2):
        ask(source)
    print("asked", flush=True)
    time.sleep(0.5)
"""
HEAR = """
import socket
for attempt in range(6):
    client = socket.socket(socket.AF_INET6)
    client.settimeout(1)
    try:
        client.connect(("::1", {port}))
        print("connected", client.recv(100))
    except OSError as error:
        print(type(error).__name__)
    client.close()
"""
# Gets a page, from a port of one's own choice or of the kernel's, and tells the port.
GET = """
import socket
client = socket.socket()
client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
client.settimeout(3)
client.bind(("127.0.0.1", {source}))
try:
    client.connect(("127.0.0.1", {port}))
    client.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    data = b"".join(iter(lambda: client.recv(4096), b""))
    print(client.getsockname()[1], data[:8].decode())
except OSError as error:
    print(type(error).__name__)
"""
WEB = """
import http.server, socket
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in "{address}" else socket.AF_INET
Server(("{address}", {port}), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
FLOOD = """
import os, socket
for _worker in range(3):
    if os.fork() == 0:
        break
server = socket.create_server(("127.0.0.1", 0), backlog=4096)
while True:
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(server.getsockname())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")
    client.close()
"""


@contextlib.contextmanager
def web(person, address, port=WEB_PORT):
    """What TensorBoard, Dask and their like are: a program without a password."""
    person.start(WEB.format(address=address, port=port))
    try:
        person.host.check_output(WAIT % port)
        yield
    finally:
        person.stop()


class TestColleague:
    """What ada runs, bob does not reach, on any port."""

    def test_her_jupyterlab(self, host, ada, bob, carol):
        assert ada.connect(ada.port) == "open"
        assert bob.connect(ada.port) == carol.connect(ada.port) == "refused"
        assert host.run(f"bash -c ': < /dev/tcp/127.0.0.1/{ada.port}'").rc != 0

    @pytest.mark.one_release
    def test_her_kernels(self, host, ada, bob, notebook):
        with notebook.kernel("lab") as first, notebook.kernel("lab") as second:
            assert (notebook.run(first, "print(1)"), notebook.run(second, "print(2)")) == ("1\n", "2\n")
            sockets = host.check_output("ss -Hlx | grep -c /run/jupyter/ada/kernel-")
            assert int(sockets) >= 10, "they listen where only she can go"
            assert host.file("/run/jupyter/ada").mode & 0o777 == 0o700
            # Each has a port for what its child processes print, too, whatever the transport.
            ports = [port for port in listening(host, ada) if port != ada.port]
            assert len(ports) == 2
            assert {port: bob.connect(port) for port in ports} == dict.fromkeys(ports, "silence")

    @pytest.mark.one_release
    def test_the_debugger_of_a_kernel(self, host, ada, bob, notebook):
        """It needs TCP; whoever connects to it runs code as ada."""
        with notebook.kernel("lab") as kernel:
            before = listening(host, ada)
            notebook.debug(kernel)
            ports = [port for port in listening(host, ada) if port not in before]
            assert ports, "the debugger listens"
            assert {port: bob.connect(port) for port in ports} == dict.fromkeys(ports, "silence")
            assert {port: ada.connect(port) for port in ports} == dict.fromkeys(ports, "open")

    @pytest.mark.one_release
    @pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1"])
    def test_her_other_programs(self, host, ada, bob, address):
        reached = {address.replace("0.0.0.0", "127.0.0.1"), *(own_addresses(host)[5:6] if address == "0.0.0.0" else [])}
        with web(ada, address):
            assert {where: bob.connect(WEB_PORT, where) for where in reached} == dict.fromkeys(reached, "silence")
            assert {where: ada.connect(WEB_PORT, where) for where in reached} == dict.fromkeys(reached, "open")

    @pytest.mark.one_release
    def test_who_asked_earlier_from_the_same_port_does_not_answer(self, host, ada, bob):
        bob.start(EARLIER.format(port=WEB_PORT))
        wait_until(lambda: "asked" in bob.written())
        assert bob.connect(WEB_PORT, "::1") == "open", "he is there"
        assert ada.python(HEAR.format(port=WEB_PORT)).stdout.split("\n")[:6] == ["TimeoutError"] * 6

    @pytest.mark.one_release
    def test_who_asks_later_from_the_same_port_is_not_answered(self, ada, bob):
        with web(ada, "127.0.0.1"):
            source, answer = ada.python(GET.format(port=WEB_PORT, source=0)).stdout.split()
            assert answer == "HTTP/1.0"
            assert bob.python(GET.format(port=WEB_PORT, source=source)).stdout.strip() == "TimeoutError"
            assert ada.python(GET.format(port=WEB_PORT, source=source)).stdout.split() == [source, "HTTP/1.0"]

    @pytest.mark.one_release
    def test_nobody_answers_by_connecting_at_the_same_time(self, ada, bob):
        bob.start(MEET.format(own=WEB_PORT, other=31999, seconds=30))
        assert ada.python(MEET.format(own=31999, other=WEB_PORT, seconds=8)).stdout.strip() == "0"

    @pytest.mark.one_release
    def test_a_flood_hurts_nobody_else(self, host, ada, bob):
        """The table remembers for a moment who connects; bob fills it for himself only."""
        bob.start(FLOOD)
        with web(ada, "127.0.0.1"):
            assert ada.python(CONNECT_OFTEN.format(port=WEB_PORT, count=20, seconds=5)).stdout.strip() == "20"
        limit = host.check_output("nft list chain inet research_server_loopback ask | grep @attempts")
        assert int(re.search(r"counter packets (\d+)", limit)[1]) > 1000, "there was a flood"


@pytest.mark.one_release
class TestUsable:
    """What people need of the loopback interface is as it was."""

    def test_their_own_programs_over_a_tunnel(self, ada):
        with web(ada, "127.0.0.1"), tunnel(ada.login, WEB_PORT, "localhost") as port:
            assert requests.get(f"http://127.0.0.1:{port}/", timeout=10).ok

    def test_their_own_jupyterlab_from_the_host(self, ada):
        code = f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:{ada.port}/api').read())"
        assert "version" in ada.python(code).stdout

    @pytest.mark.cases(1)
    @pytest.mark.parametrize("account", ["User=www-data", "User=root", "DynamicUser=yes"])
    def test_daemons_serve_everybody(self, host, ada, account):
        program = "python3 -m http.server 8088 --bind 127.0.0.1"
        host.check_output(f"systemd-run -q --unit=daemon --collect -p {account} {program}")
        try:
            host.check_output(WAIT % 8088)
            assert ada.connect(8088) == "open"
            assert host.run("bash -c ': < /dev/tcp/127.0.0.1/8088'").rc == 0
        finally:
            host.run("systemctl stop daemon")

    def test_root_reaches_sshd(self, host):
        assert "SSH-2.0" in host.check_output("bash -c 'head -c 20 < /dev/tcp/127.0.0.1/2222'")

    def test_a_shared_port_serves_everybody(self, ada, bob, apply_notebooks):
        with web(ada, "127.0.0.1", 6006):
            assert bob.connect(6006) == "silence"
            assert apply_notebooks(jupyter_shared_ports=[6006]).returncode == 0
            assert bob.connect(6006) == ada.connect(6006) == "open"
            assert apply_notebooks().returncode == 0
            assert bob.connect(6006) == "silence"


OUTSIDE = """
import os, time
open(os.path.expanduser("~/outside"), "w").write(str(os.getpid()))
time.sleep(600)
"""
# What code in a notebook tries, to get out or to come back outside. Each prints the error that it meets, or "done".
ESCAPES = {
    # It is root's, and says where the keys are.
    "add a key": ("open(home + '/.ssh/authorized_keys', 'a')", "EACCES"),
    "put another file in its place": ("os.unlink(home + '/.ssh/authorized_keys')", "EROFS"),
    "make a key file": ("open(home + '/.ssh/authorized_keys2', 'w')", "EROFS"),
    "move the folder away": ("os.rename(home + '/.ssh', home + '/.ssh.away')", "EBUSY"),
    "put another in its place": ("(os.makedirs(home + '/s', exist_ok=True), os.rename(home + '/s', home + '/.ssh'))", "EBUSY"),
    "change what ssh runs": ("open(home + '/.ssh/rc', 'w')", "EROFS"),
    # As if it were somebody else's: not even to be seen.
    "through the view of a process outside": ("open(f'/proc/{outside}/root' + home + '/.ssh/authorized_keys', 'a')", "ENOENT"),
    "through its memory": ("open(f'/proc/{outside}/mem', 'r+b')", "ENOENT"),
    "trace a process outside": ("call(libc.ptrace(16, outside, None, None))", "EPERM"),
    "ask the own service manager": ("os.listdir('/run/user')", "EACCES"),
    "ask the system's bus to start it": ("socket.socket(socket.AF_UNIX).connect('/run/dbus/system_bus_socket')", "EACCES"),
    "connect to it": ("socket.socket(socket.AF_UNIX).connect(f'/run/user/{os.getuid()}/systemd/private')", "EACCES"),
}
ESCAPE = """
import ctypes, errno, os, socket
libc, home = ctypes.CDLL(None, use_errno=True), os.path.expanduser("~")
outside = int(open(home + "/outside").read())
def call(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), "")
def attempt(do):
    try:
        do()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]
"""
TOUCH = """
import errno
try:
    open("{path}", "a")
    print("done")
except OSError as error:
    print(errno.errorcode[error.errno])
"""
LOG_IN = """
import os, subprocess
home = os.path.expanduser("~")
make = f"rm -f {{home}}/k*; ssh-keygen -q -N '' -f {{home}}/k; cat {{home}}/k.pub | tee -a {{home}}/.ssh/authorized_keys2"
subprocess.run(["sh", "-c", make], capture_output=True)
options = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-i", f"{{home}}/k", "-p", "{port}"]
print(subprocess.run(["ssh", *options, "127.0.0.1", "id"], capture_output=True, text=True).returncode)
"""
FILES = """
import os, subprocess
os.chdir(os.path.expanduser("~"))
for folder in ("from", "to"):
    os.makedirs(folder, exist_ok=True)
for name in ("to/a", "to/b", "key", "key.pub"):
    if os.path.exists(name):
        os.unlink(name)
open("from/a", "w").close()
os.link("from/a", "to/b")
os.rename("from/a", "to/a")
print(sorted(os.listdir("to")), os.access(".ssh", os.R_OK))
print(subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", "key"]).returncode)
"""


def touch(person, path):
    """Open a file for writing in the person's notebook: C(done) or the error."""
    with tunnel(person.login, person.port) as port:
        jupyter = Jupyter(f"http://127.0.0.1:{port}", person.token)
        wait_until_answers(jupyter)
        return jupyter.execute("lab", TOUCH.format(path=path)).strip()


class TestSandbox:
    """A notebook that somebody else has written does not get out of its sandbox."""

    def test_it_stays_inside(self, ada, notebook):
        ada.start(OUTSIDE)
        try:
            code = ESCAPE + "".join(f"print(attempt(lambda: {code}))\n" for code, _error in ESCAPES.values())
            found = notebook.execute("lab", code).split()
        finally:
            ada.stop()
        expected = [error for _code, error in ESCAPES.values()]
        assert dict(zip(ESCAPES, found, strict=True)) == dict(zip(ESCAPES, expected, strict=True))

    def test_work_with_files_is_as_outside(self, notebook):
        """What closes the view of other processes must not close moves and links between folders."""
        assert notebook.execute("lab", FILES).split("\n")[:2] == ["['a', 'b'] True", "0"]

    @pytest.mark.one_release
    @pytest.mark.parametrize("state", ["absent", "link"])
    def test_keys_cannot_be_added_whatever_the_folder_was(self, host, ada, state):
        keys = "/home/ada/.ssh"
        host.check_output(f"systemctl stop jupyter@ada; mv {keys} /root/ssh-of-ada")
        try:
            if state == "link":
                host.check_output(f"install -d -o ada -g ada /home/ada/dotfiles && ln -s dotfiles {keys}")
            host.run("systemctl reset-failed; systemctl start jupyter@ada")
            if state == "link":
                assert not host.service("jupyter@ada").is_running
                assert "found a link" in host.check_output("journalctl -u jupyter@ada -n 20 -o cat --no-pager")
            else:
                inside = f"nsenter --target {ada.main_pid()} --mount"
                assert "Read-only file system" in host.run(f"{inside} touch {keys}/authorized_keys").stderr
                assert host.file(keys).mode == 0o700 and host.file(keys).user == "ada"
        finally:
            host.check_output(f"systemctl stop jupyter@ada; rm -rf {keys}; mv /root/ssh-of-ada {keys}")
            start(host, ada)

    @pytest.mark.one_release
    def test_a_home_elsewhere_is_no_way_out(self, host, apply_notebooks, carol):
        """The unit is told the home of the account, not a guess from its name."""
        # With all that she runs: a home that is in use does not move.
        stop = f"systemctl stop user-{host.user('carol').uid}.slice"
        host.check_output(f"{stop}; install -d /data && usermod --home /data/c --move-home carol")
        try:
            done = apply_notebooks(jupyter_writable_paths=["/home", "/data"])
            assert done.returncode == 0, done.stdout[-3000:]
            start(host, carol)
            assert touch(carol, "/data/c/.ssh/authorized_keys2") == "EROFS"
            assert touch(carol, "/data/c/x") == "done"
        finally:
            host.check_output(f"{stop}; usermod --home /home/carol --move-home carol")
            assert apply_notebooks().returncode == 0

    @pytest.mark.one_release
    def test_a_key_from_a_notebook_does_not_log_in(self, ada, notebook):
        """The whole way: make a key, add it, log in on the host itself."""
        assert notebook.execute("lab", LOG_IN.format(port=ada.login.port)).split()[-1] == "255"


LOOK = """
import pathlib
assert pathlib.Path("ipykernel_launcher.py").exists()
print(pathlib.Path("run").read_text() if pathlib.Path("run").exists() else "nothing")
"""
PLANT = """
import os, pathlib
folder = pathlib.Path("{folder}")
folder.mkdir()
packages = {{entry.split(".")[0] for entry in os.listdir("{packages}")}}
for name in [*filter(str.isidentifier, packages), "ipykernel_launcher", "runpy", "site", "sitecustomize"]:
    (folder / f"{{name}}.py").write_text(f"open('{folder}/run', 'a').write('{{name}} ')")
"""


@pytest.mark.one_release
class TestFolder:
    """What lies beside a notebook in a project may be a colleague's."""

    def test_opening_a_notebook_runs_none_of_it(self, host, ada, notebook):
        packages = host.check_output("ls -d /opt/miniconda3/envs/lab/lib/python3*/site-packages")
        done = ada.python(PLANT.format(folder="/srv/projects/imaging/beside", packages=packages))
        assert done.returncode == 0, done.stderr
        ada.check("ln -sfn /srv/projects/imaging ~/imaging")
        try:
            with notebook.notebook("lab", "imaging/beside/x.ipynb") as kernel:
                assert notebook.run(kernel, LOOK) == "nothing\n"
        finally:
            ada.check("rm -r /srv/projects/imaging/beside ~/imaging")


@pytest.mark.one_release
class TestOwnConfiguration:
    """A mistake in somebody's own files does not open their server to others."""

    def test_it_cannot_move_the_server(self, host, ada):
        config = "/home/ada/.jupyter/jupyter_server_config.py"
        names = ("NotebookApp", "LabApp", "ServerApp", "JupyterApp")
        text = "".join(f"c.{name}.ip = '0.0.0.0'\nc.{name}.port = 4444\nc.{name}.token = ''\n" for name in names)
        host.check_output("install -d -o ada -g ada /home/ada/.jupyter && printf %%s %s > %s", text, config)
        try:
            host.check_output("systemctl reset-failed; systemctl restart jupyter@ada")
            shown = host.check_output(f"ss -Hltnp | grep 'pid={ada.main_pid()},' | awk '{{print $4}}'")
            assert shown == f"127.0.0.1:{ada.port}"
            assert token_sent(ada, "127.0.0.1") == "server"
        finally:
            host.check_output("rm -r /home/ada/.jupyter && systemctl stop jupyter@ada")
            start(host, ada)


@pytest.mark.one_release
class TestProject:
    def test_a_members_notebook_writes_in_the_project(self, host, notebook):
        path = "/srv/projects/imaging/from-a-notebook"
        assert notebook.execute("lab", TOUCH.format(path=path)).strip() == "done"
        assert host.file(path).group == "imaging"

    def test_who_joins_later_can_write_after_the_run(self, apply_notebooks, carol):
        imaging = {"name": "imaging", "members": ["ada", "carol"]}
        genomes = {"name": "genomes", "members": ["ada"], "path": "/srv/genomes"}
        assert apply_notebooks(accounts_projects=[imaging, genomes]).returncode == 0
        assert touch(carol, "/srv/genomes/x") == "EACCES"
        genomes["members"].append("carol")
        joined = apply_notebooks(accounts_projects=[imaging, genomes])
        assert joined.returncode == 0, joined.stdout[-3000:]
        assert touch(carol, "/srv/genomes/x") == "done"
        assert " changed=0 " in apply_notebooks(accounts_projects=[imaging, genomes]).stdout
        assert apply_notebooks().returncode == 0

    def test_who_is_at_work_is_told(self, apply_notebooks, carol):
        with tunnel(carol.login, carol.port) as port:
            jupyter = Jupyter(f"http://127.0.0.1:{port}", carol.token)
            wait_until_answers(jupyter)
            with jupyter.kernel("lab"):
                pid = carol.main_pid()
                told = apply_notebooks(accounts_projects=[{"name": "imaging", "members": ["ada"]}])
                assert told.returncode == 0
                said = " ".join(told.stdout.split())
                assert "JupyterLab of carol is out of date (its owner is in other groups now) and was left alone" in said
                assert re.search(rf"account 'carol': found programs .* left the group 'imaging' .*\(process {pid}\)", said)
                assert carol.main_pid() == pid
        assert apply_notebooks().returncode == 0
