# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People put things into their homes, and leavers do not want to leave; the others are served in the same run.

In each round of this somebody new joins, carol gets another key, and somebody leaves. All attackers try at once: what one of them
does, must not help the next one either. Each of them alone stopped the run of the whole host before this was defended against.
"""

from __future__ import annotations

import base64
import dataclasses
import os
import subprocess
from pathlib import Path

import pytest
from people.person import Person
from waiting import wait_until

pytestmark = pytest.mark.one_release
EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
FOLDER = EPHEMERAL / "ssh"
ROLES, ONLY = "molecule/colleague/roles.yml", {"roles_to_apply": ["accounts"], "roles_tasks_from": "apply"}
KEYS = ".ssh/authorized_keys"
DATABASES = "sha256sum /etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/sudoers.d/* /etc/ssh/authorized_keys.d/*"

MAKE_A_SOCKET = "import os, socket; os.chdir(os.path.expanduser('~/.ssh')); socket.socket(socket.AF_UNIX).bind('authorized_keys')"
# Whoever opens the file waits until the lease is given back, or 45 s (fcntl(2)).
HOLD_A_LEASE = """
import fcntl, os, signal, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
handle = os.open(os.path.expanduser("~/.ssh/authorized_keys"), os.O_RDWR)
fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
time.sleep(1200)
"""
# Each process lives for an instant: who kills one after the other, always comes too late.
RUN_AWAY = """
import os
os.setsid()
while True:
    if os.fork():
        os._exit(0)
    open("/var/tmp/alive", "w").close()
"""
# In a user namespace, such as a rootless container, programs run as other numbers (subuid(5)).
INSIDE = """
import ctypes, os, time
assert ctypes.CDLL(None).unshare(0x10000000) == 0  # CLONE_NEWUSER
open("/var/tmp/inside", "w").write(str(os.getpid()))
while not open("/proc/self/uid_map").read().strip():
    time.sleep(0.1)
os.setresuid(3, 3, 3)
time.sleep(1200)
"""
FRIEND = """
import os, time
friend, leaver, _saved = os.getresuid()
os.setresuid(friend, leaver, friend)
open("/var/tmp/friend", "w").close()
time.sleep(1200)
"""
# The folder that root is about to enter becomes a link to a folder of root's, and a pipe, all the time.
SWAP = """
import contextlib, os
os.chdir(os.path.expanduser("~"))
actions = [
    lambda: os.mkdir(".ssh"), lambda: os.symlink("/root/.ssh", ".ssh"), lambda: os.mkfifo(".ssh"),
    lambda: os.rename(".ssh", "away"), lambda: os.rmdir("away"), lambda: os.unlink("away"),
]
while True:
    for action in (0, 3, 4, 1, 3, 5, 2, 3, 5):
        with contextlib.suppress(OSError):
            actions[action]()
"""

# Somebody's name -> what he does, what is told of it and where; nothing is told where the file is simply corrected.
ODD = {
    "folder": ("rm -f $K; mkdir -p $K/deep", "a folder", KEYS),
    "pipe": ("rm -f $K; mkfifo $K", "a pipe", KEYS),
    "secret": ("ln -sf /etc/shadow $K", "a link", KEYS),
    "endless": ("ln -sf /dev/zero $K", "a link", KEYS),
    "socket": (f'rm -f $K; python3 -c "{MAKE_A_SOCKET}"', "a socket", KEYS),
    "hardlink": ("cp $K ~/other; ln -f ~/other $K", "several names", KEYS),
    "bytes": (r"printf '\377\376\n' >> $K", "no UTF-8", KEYS),
    "large": ("head -c 60000000 /dev/zero > $K", "60,000,000 bytes", KEYS),
    "sparse": ("truncate -s 10G $K", "10,737,418,240 bytes", KEYS),
    "linkfolder": ("mv ~/.ssh ~/away; ln -s /root/.ssh ~/.ssh", "a link", ".ssh"),
    "pipefolder": ("mv ~/.ssh ~/away; mkfifo ~/.ssh", "a pipe", ".ssh"),
    "filefolder": ("mv ~/.ssh ~/away; echo > ~/.ssh", "a file", ".ssh"),
    "lease": ("until grep held ~/.attack.out; do sleep 0.1; done", "no way to read", KEYS),
    "namesaside": ("rm -f $K; mkfifo $K; mkdir $K.replaced.1; ln -s /root $K.replaced.2", "a pipe", KEYS),
    "norights": ("chmod 0 $K ~/.ssh", None, None),
    "names": ("cd ~/.ssh; echo '# more' >> $K; seq -f .authorized_keys.%.0f 60000 | xargs touch", None, None),
    "escapes": (r"printf '\033[2J\033[31m\342\200\256all is well\n' > $K", None, None),
}
STUCK = {
    "mounted": ("a mounted file system", ".ssh"),
    "readonly": ("Read-only file system", KEYS),
    "full": ("No space left on device", KEYS),
    "otherhands": ("to be the home of carol", ""),
}
LEAVERS = ["folder", "secret", "sparse", "linkfolder", "pipefolder", "runaway", "mount", "archive", "door"]


def public(name):
    return (FOLDER / f"{name}.pub").read_text().strip()


def told(outcome):
    """All that a person is told, one line for each sentence."""
    result = outcome.results[-1]
    return "\n".join([*map(str, result.get("notices", [])), *map(str, result.get("warnings", [])), str(result.get("msg", ""))])


def says(outcome, *words):
    return any(all(word in line for word in words) for line in told(outcome).splitlines())


class Lab:
    """The people of the data, on one server, day by day."""

    def __init__(self, host, converge):
        self.host, self.converge = host, converge
        self.day = 0
        self.carols_key = "carol"
        self.people = {name: {"keys": [public(name)]} for name in ("ada", "bob", "carol")}
        self.people |= {f"x-{name}": {"keys": [public("bob")]} for name in (*ODD, *STUCK, "swap")}
        self.people |= {f"y-{name}": {"keys": [public("leaver")]} for name in (*LEAVERS, "1", "2", "3", "4")}

    def run(self, *arguments, **variables):
        """Apply the role accounts."""
        variables.setdefault("accounts_researchers", [{"name": name, **entry} for name, entry in self.people.items()])
        inventory = str(EPHEMERAL / "inventory")
        return self.converge("-i", inventory, *arguments, playbook=ROLES, **ONLY, **variables)

    def begin_a_day(self):
        self.day += 1
        self.carols_key = "stranger" if self.carols_key == "carol" else "carol"
        self.people["carol"] = {"keys": [public(self.carols_key)]}
        self.people[f"new-{self.day}"] = {"keys": [public("newcomer")]}
        self.people[f"y-{self.day}"] = {"state": "absent"}

    def login(self, name, key=None):
        key = key or {"x": "bob", "y": "leaver", "n": "newcomer"}[name[0]]
        return dataclasses.replace(Person(self.host, name, FOLDER).login, key=FOLDER / key)

    def as_(self, name, command):
        done = self.login(name).run(command)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def start(self, name, code):
        """Leave a program running; see Person.start, whose keys are other ones."""
        attacker = Person(self.host, name, FOLDER)
        attacker.check = lambda command: self.as_(name, command)
        attacker.start(code)

    def gets_in(self, name, key=None):
        return self.login(name, key).run("true").returncode == 0

    def assert_out(self, name):
        assert not self.gets_in(name)
        assert self.host.run(f"pgrep -u {name}").rc == 1
        assert self.host.check_output(f"getent shadow {name}").split(":")[7] == "1"
        assert not self.host.file(f"/etc/ssh/authorized_keys.d/{name}").exists

    def assert_the_others_are_served(self):
        assert self.gets_in(f"new-{self.day}")
        assert self.gets_in("carol", self.carols_key)
        assert not self.gets_in("carol", "carol" if self.carols_key == "stranger" else "stranger")
        assert self.gets_in("ada", "ada")
        self.assert_out(f"y-{self.day}")

    def state(self):
        """What a run in check mode must leave as it is."""
        return self.host.check_output(
            f"{DATABASES}; find /home/x-* /home/y-* ! -name '.authorized_keys.*' -printf '%p %m %U %s %T@\\n' | sort"
        )


@pytest.fixture(scope="module")
def lab(host, converge):
    made = Lab(host, converge)
    begun = made.run(accounts_keys_in="home")
    assert begun.ok, begun.text
    yield made
    names = " ".join(name for name in made.people if "-" in name)
    host.check_output(
        f"for name in {names}; do setpriv --reuid $name --clear-groups kill -KILL -1; umount -q /home/$name/mount; "
        "userdel --remove --force $name; groupdel $name; rm -f /etc/ssh/authorized_keys.d/$name; done >/dev/null 2>&1; true"
    )
    assert made.converge("-i", str(EPHEMERAL / "inventory"), playbook=ROLES, **ONLY).ok, "the people of the data do not come back"


class TestOddThingsAtHome:
    """Where keys are kept in homes."""

    @pytest.fixture(scope="class")
    @classmethod
    def runs(cls, lab):
        lab.start("x-lease", HOLD_A_LEASE)
        for name, (command, _what, _where) in ODD.items():
            lab.as_(f"x-{name}", f"K=~/{KEYS}; {command}")
        lab.as_("x-folder", f"echo mine > ~/{KEYS}/deep/file")
        lab.begin_a_day()
        before = lab.state()
        foreseen = lab.run("--check", "--diff", accounts_keys_in="home")
        assert lab.state() == before
        return foreseen, lab.run(accounts_keys_in="home")

    def test_stop_nobody(self, lab, runs):
        for outcome in runs:
            assert outcome.ok, outcome.text
            differences = outcome.results[-1].get("diff", [])
            everything = told(outcome) + "".join(part["before"] + part["after"] for part in differences)
            assert "all is well" in everything or outcome is not runs[0]
            assert "\x1b" not in everything and "\u202e" not in everything
        lab.assert_the_others_are_served()

    def test_are_the_same_to_a_dry_run(self, runs):
        foreseen, done = (outcome.results[-1] for outcome in runs)
        assert foreseen["changes"] == done["changes"]
        assert foreseen["notices"] == done["notices"]

    @pytest.mark.parametrize("name", ODD)
    def test_are_told_and_replaced(self, lab, host, runs, name):
        _command, what, where = ODD[name]
        for outcome in runs:
            assert says(outcome, f"'x-{name}'", what, f"/home/x-{name}/{where};") if what else not says(outcome, f"'x-{name}'")
        right = host.file(f"/home/x-{name}/{KEYS}")
        assert (right.user, right.mode, right.is_symlink) == (f"x-{name}", 0o600, False)
        assert right.content_string.splitlines()[1:] == [public("bob")]
        assert lab.gets_in(f"x-{name}")

    def test_are_kept(self, host, runs):
        assert host.file(f"/home/x-folder/{KEYS}.replaced.1/deep/file").content_string == "mine\n"
        assert host.file(f"/home/x-sparse/{KEYS}.replaced.1").size == 10 * 2**30
        assert host.file(f"/home/x-namesaside/{KEYS}.replaced.3").is_pipe

    def test_lead_root_nowhere(self, host, runs):
        assert host.check_output("ls -A /root/.ssh") == "authorized_keys"
        assert host.file("/root/.ssh").user == "root"
        assert host.file("/etc/shadow").user == "root"

    def test_are_no_matter_the_next_time(self, lab, runs):
        again = lab.run(accounts_keys_in="home")
        assert again.ok and again.changed == 0, again.text


class TestWhatCannotBePutRight:
    """The run fails when everybody else has been served, with one sentence for each; and it is clean after the repair."""

    @pytest.fixture(scope="class")
    @classmethod
    def runs(cls, lab, host):
        host.check_output(
            "mount -t tmpfs tmpfs /home/x-mounted/.ssh && "
            "rm /home/x-readonly/.ssh/authorized_keys && mkfifo /home/x-readonly/.ssh/authorized_keys && "
            "mount --bind /home/x-readonly /home/x-readonly && mount -o remount,bind,ro /home/x-readonly && "
            "mount -t tmpfs -o size=64k,mode=0700,uid=x-full,gid=x-full tmpfs /home/x-full && chown carol /home/x-otherhands"
        )
        host.run("runuser -u x-full -- sh -c 'mkdir -m 0700 ~/.ssh; head -c 1M /dev/zero > ~/full'")
        lab.begin_a_day()
        try:
            before = lab.state()
            foreseen = lab.run("--check", accounts_keys_in="home")
            assert lab.state() == before
            done = lab.run(accounts_keys_in="home")
            lab.assert_the_others_are_served()
            left = host.check_output("ls -A /home/x-full/.ssh; stat -c %U /home/x-otherhands")
        finally:
            host.check_output(
                "umount /home/x-mounted/.ssh; umount /home/x-readonly; umount /home/x-full; chown x-otherhands /home/x-otherhands"
            )
        assert left == "carol"
        return foreseen, done

    @pytest.mark.parametrize("name", STUCK)
    def test_is_named(self, runs, name):
        what, where = STUCK[name]
        _foreseen, done = runs
        sentence = next(sentence for sentence in done.results[-1]["failures"] if f"'x-{name}'" in sentence)
        assert what in sentence and f"/home/x-{name}/{where}".rstrip("/") in sentence

    def test_is_all_that_is_wrong(self, runs):
        foreseen, done = runs
        assert not done.ok
        assert len(done.results[-1]["failures"]) == len(STUCK)
        assert "Everything else has been done" in done.message
        # What a write will meet, only a write can tell.
        assert not foreseen.ok
        assert {sentence.split("'")[1] for sentence in foreseen.results[-1]["failures"]} == {"x-mounted", "x-otherhands"}
        assert says(foreseen, "'x-readonly'", "a pipe")

    def test_can_be_repaired(self, lab, runs):
        repaired = lab.run(accounts_keys_in="home")
        assert repaired.ok, repaired.text
        assert lab.run(accounts_keys_in="home").changed == 0


def test_what_changes_while_root_looks(lab, host):
    roots = "sha256sum /root/.ssh/*; stat -c '%U %a' /root /root/.ssh /root/.ssh/*"
    before = host.check_output(roots)
    lab.start("x-swap", SWAP)
    lab.begin_a_day()
    try:
        outcomes = [lab.run(accounts_keys_in="home") for _attempt in range(3)]
    finally:
        host.run("pkill -KILL -u x-swap; rm -rf /home/x-swap/away /home/x-swap/.ssh*")
    assert host.check_output(roots) == before
    for outcome in outcomes:
        # Whether he is caught is luck. That he is the only one who is missed is not.
        assert outcome.ok or outcome.message.count("account '") == outcome.message.count("account 'x-swap'") == 1, outcome.text
    lab.assert_the_others_are_served()
    repaired = lab.run(accounts_keys_in="home")
    assert repaired.ok, repaired.text


class TestKeysOfTheSystem:
    """The default: nothing that bob does at home has any meaning."""

    def test_a_key_that_bob_adds_opens_nothing(self, lab, bob):
        bob.check(
            f"mkdir -p -m 0700 ~/.ssh; rm -f ~/{KEYS}; echo '{public('stranger')}' | tee ~/{KEYS} > ~/{KEYS}2; chmod 600 ~/.ssh/*"
        )
        assert not lab.gets_in("bob", "stranger")
        assert lab.gets_in("bob", "bob")

    def test_bob_cannot_change_the_file(self, host, bob):
        for command in ("echo >> $K", "rm -f $K", "mv $K $K.away", "chmod 0600 $K", "ln -sf /dev/null $K", "touch ${K%/*}/root"):
            assert bob.run(f"K=/etc/ssh/authorized_keys.d/bob; {command}").returncode != 0
        keys, folder = host.file("/etc/ssh/authorized_keys.d/bob"), host.file("/etc/ssh/authorized_keys.d")
        assert (keys.user, keys.mode, folder.user, folder.mode) == ("root", 0o644, "root", 0o755)

    def test_a_run_does_not_even_look(self, lab, host):
        assert lab.run().ok
        for name, (command, what, _where) in ODD.items():
            if what and name != "lease":
                lab.as_(f"x-{name}", f"rm -rf ~/.ssh* ~/away; mkdir -m 0700 ~/.ssh; K=~/{KEYS}; echo > $K; {command}")
        before = lab.state()
        outcome = lab.run()
        assert outcome.ok and outcome.changed == 0, outcome.text
        assert not says(outcome, "'x-")
        assert lab.state() == before

    def test_a_new_account_finds_out_where_its_keys_are(self, lab, tmp_path):
        lab.people["new-copy"] = {"keys": [public("newcomer")]}
        assert lab.run().ok
        note = lab.as_("new-copy", f"cat ~/{KEYS}")
        assert "/etc/ssh/authorized_keys.d/new-copy, by the administrators" in note
        copy = lab.login("new-copy")
        options = [word for word in copy.command() if word.startswith("-o")]
        command = ["ssh-copy-id", "-f", "-i", FOLDER / "stranger.pub", "-p", "2222", *options, f"new-copy@{copy.host}"]
        # It wants a folder of its own beside the keys of whoever uses it.
        (tmp_path / ".ssh").mkdir()
        environment = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0
        assert "Permission denied" in done.stderr
        assert not lab.gets_in("new-copy", "stranger")


class TestWhoDoesNotWantToLeave:
    @pytest.fixture(scope="class")
    @classmethod
    def runs(cls, lab, host):
        for name in LEAVERS:
            if name in ODD:
                lab.as_(f"y-{name}", f"mkdir -p -m 0700 ~/.ssh; K=~/{KEYS}; rm -rf $K; echo > $K; {ODD[name][0]}")
        deep = "import os; os.chdir(os.path.expanduser('~')); [(os.mkdir('d'), os.chdir('d')) for _level in range(3000)]"
        lab.as_("y-archive", f'mkfifo ~/pipe; truncate -s 10G ~/sparse; ln -s / ~/root; python3 -c "{deep}"')
        lab.as_("y-archive", "cd; touch -- -rf 'two\nlines' --checkpoint-action=exec=id; echo results > results")
        host.check_output("mkdir /home/y-mount/mount && mount -t tmpfs tmpfs /home/y-mount/mount")
        # A copy of a program that runs as the leaver, whoever starts it.
        lab.as_("y-door", r"cd /var/tmp; n=$(printf 'x\033[2Jy'); cp /usr/bin/id $n; chmod 06755 $n; ls -l $n")
        lab.as_("y-door", "cd /var/tmp; cp /usr/bin/id plain; mkdir -m 02777 folder")
        assert lab.as_("x-folder", "/var/tmp/x*y -un") == "y-door"
        lab.start("y-runaway", RUN_AWAY)
        lab.start("y-door", INSIDE)
        wait_until(lambda: host.file("/var/tmp/inside").exists)
        host.check_output(
            "first=$(awk -F: '$1 == \"y-door\" {print $2}' /etc/subuid); echo $((first + 2)) > /root/inside; "
            "printf '0 %s 1\\n1 %s 65535\\n' $(id -u y-door) $first > /proc/$(cat /var/tmp/inside)/uid_map"
        )
        wait_until(lambda: host.run("pgrep -u $(cat /root/inside)").rc == 0)
        # It keeps the leaver's rights, and is a friend's to whoever looks at its real number only.
        lab.as_("y-door", f"echo {base64.b64encode(FRIEND.encode()).decode()} | base64 -d > /var/tmp/friend.py")
        lab.as_("y-door", "cp /usr/bin/python3 /var/tmp/python; chmod 4755 /var/tmp/python")
        lab.as_("x-folder", "setsid /var/tmp/python /var/tmp/friend.py >/dev/null 2>&1 </dev/null &")
        wait_until(lambda: host.file("/var/tmp/friend").exists)
        lab.begin_a_day()
        lab.people |= {f"y-{name}": {"state": "absent"} for name in LEAVERS}
        for name in ("archive", "mount"):
            lab.people[f"y-{name}"]["home"] = "archived"
        before = lab.state()
        foreseen = lab.run("--check")
        assert lab.state() == before
        return foreseen, lab.run()

    @pytest.mark.parametrize("name", LEAVERS)
    def test_is_out(self, lab, host, runs, name):
        lab.assert_out(f"y-{name}")
        assert host.run(f"test -e /home/y-{name}/{KEYS} -o -L /home/y-{name}/{KEYS}").rc == 1

    def test_stops_nobody(self, lab, runs):
        lab.assert_the_others_are_served()

    def test_has_processes_that_no_list_shows(self, host, runs):
        host.check_output("sleep 1; rm /var/tmp/alive; sleep 1")
        assert not host.file("/var/tmp/alive").exists
        assert host.run("pgrep -u $(cat /root/inside)").rc == 1
        assert host.run("pgrep -f [f]riend.py").rc == 1

    @pytest.mark.parametrize("name", [name for name in LEAVERS if name in ODD])
    def test_has_odd_things(self, runs, name):
        for outcome in runs:
            assert says(outcome, f"'y-{name}'", ODD[name][1], f"/home/y-{name}/{ODD[name][2]};")

    def test_has_a_home_that_is_hard_to_archive(self, host, runs):
        assert host.check_output("ls -A /home | grep y-archive || true") == ""
        listing = host.check_output("tar -tf /var/backups/research-server/y-archive-*.tar | head -30")
        assert "y-archive/results" in listing and "y-archive/pipe" in listing

    def test_has_a_home_that_cannot_be_archived(self, lab, host, runs):
        for outcome in runs:
            assert not outcome.ok
            assert [sentence.partition(";")[0] for sentence in outcome.results[-1]["failures"]] == [
                "account 'y-mount': the home cannot be archived: found a file system mounted at /home/y-mount/mount"
            ]
        host.check_output("umount /home/y-mount/mount")
        repaired = lab.run()
        assert repaired.ok, repaired.text
        assert not host.file("/home/y-mount").exists
        assert lab.run().changed == 0

    def test_left_a_door_for_a_friend(self, lab, host, runs):
        for outcome in runs:
            assert says(outcome, "'y-door'", r"/var/tmp/x\x1b[2Jy")
            assert "/var/tmp/plain" not in told(outcome) and "/var/tmp/folder" not in told(outcome)
        # Told when the account is locked, and not each night.
        assert "/var/tmp" not in told(lab.run())
        lab.people["y-door"]["setuid"] = "removed"
        assert lab.run("--check").results[-1]["changes"] == ["y-door: setuid"]
        assert lab.as_("x-folder", "/var/tmp/x*y -un") == "y-door"
        assert lab.run().ok
        assert lab.as_("x-folder", "/var/tmp/x*y -un") == "x-folder"
        assert lab.run().changed == 0
        host.check_output("rm -rf /var/tmp/x*y /var/tmp/plain /var/tmp/folder /var/backups/research-server/y-*.tar")
        host.check_output("rm -rf /var/tmp/inside /var/tmp/friend* /var/tmp/python")


class TestRefusals:
    """Before the first change, with names."""

    @pytest.fixture(autouse=True)
    def unchanged(self, host):
        host.check_output("groupadd --system laser; groupadd --users bob crowd; useradd --system experiment; true")
        before = host.check_output(DATABASES)
        yield
        assert host.check_output(DATABASES) == before
        host.check_output("groupdel laser; groupdel crowd; userdel experiment")

    @pytest.mark.parametrize(
        ("people", "sentence"),
        [
            ([{"name": "sudo"}], "account 'sudo': found a user or group of the system"),
            ([{"name": "nobody"}], "account 'nobody': found a user or group of the system"),
            ([{"name": "x1", "uid": 4711}, {"name": "x2", "uid": 4711}], "found uid 4711 for x1, x2"),
            ([{"name": "x1", "uid": 33}], "account 'x1': uid: found 33"),
            ([{"name": "x1", "uid": 60001}], "account 'x1': uid: found 60001; expected one from 1000 to 60000"),
            ([{"name": "laser"}], "account 'laser': found a system group of that name"),
            ([{"name": "crowd"}], "account 'crowd': found a group of that name with bob in it"),
            ([{"name": "experiment"}], "account 'experiment': found a system account"),
        ],
        ids=lambda value: value[0]["name"] + str(value[0].get("uid", "")) if isinstance(value, list) else "",
    )
    def test_of_people(self, lab, people, sentence):
        found = lab.run(accounts_researchers=people, accounts_projects=[])
        assert sentence in found.message
        assert "Nothing has been changed" in found.message

    def test_of_a_number_that_somebody_has(self, lab, host):
        uid = host.user("bob").uid
        found = lab.run(accounts_researchers=[{"name": "x1", "uid": uid}], accounts_projects=[])
        assert f"account 'x1': uid: found {uid} to be that of bob" in found.message


def test_keys_move_and_everybody_gets_in_at_each_step(host, person, apply):
    """From system to home and back."""
    assert "authorizedkeysfile /etc/ssh/authorized_keys.d/%u" in host.check_output("sshd -T").splitlines()
    for place, effective in (("home", KEYS), ("system", "/etc/ssh/authorized_keys.d/%u")):
        done = apply(roles=("accounts", "sshd"), accounts_keys_in=place)
        assert done.returncode == 0, done.stdout
        assert f"authorizedkeysfile {effective}" in host.check_output("sshd -T").splitlines()
        for name in ("ada", "bob", "carol"):
            assert person(name).check("id -un") == name
        if place == "home":
            # The role sshd alone, before the role accounts has written the keys that it would make sshd read.
            host.check_output("mv /etc/ssh/authorized_keys.d /root/kept")
            alone = apply(roles=("sshd",))
            host.check_output("mv /root/kept /etc/ssh/authorized_keys.d")
            assert alone.returncode != 0
            assert "found no key at all in /etc/ssh/authorized_keys.d/ops" in " ".join(alone.stdout.split())
            assert f"authorizedkeysfile {KEYS}" in host.check_output("sshd -T").splitlines()
    again = apply(roles=("accounts", "sshd"))
    assert "changed=0 " in again.stdout, again.stdout
