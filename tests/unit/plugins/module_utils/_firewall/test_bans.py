# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import configparser

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._firewall import bans

STATUS = """Package: fail2ban
Status: install ok installed
Priority: optional

Package: nftables
Status: deinstall ok config-files

Package: python3-systemd
Status: hold ok installed
Description: not
 Package: imagined
 Status: install ok installed
"""


def test_what_is_written_reads_back() -> None:
    jails = {"DEFAULT": {"backend": "systemd", "x": None}, "sshd": {"enabled": True, "failregex": ["%(known/failregex)s", "^a$"]}}
    text = bans.render("Managed", jails, ["127.0.0.1/8", "::1"])
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    assert text.startswith("# Managed\n\n[DEFAULT]\n")
    assert dict(parser["DEFAULT"]) == {"backend": "systemd", "ignoreip": "127.0.0.1/8 ::1"}
    assert parser["sshd"]["enabled"] == "true"
    assert parser["sshd"]["failregex"].split() == ["%(known/failregex)s", "^a$"]


def test_a_value_cannot_begin_a_section() -> None:
    text = bans.render("Managed", {"sshd": {"bantime": "1h\n[recidive]\nenabled = false"}}, [])
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    assert parser.sections() == ["sshd"]
    with pytest.raises(bans.JailError):
        bans.render("Managed", {"sshd": {"bantime": "1h\n\nx"}}, [])


def test_only_what_is_installed_is_there() -> None:
    assert bans.missing(["fail2ban", "nftables", "python3-systemd", "imagined"], STATUS) == ["nftables", "imagined"]


@pytest.mark.parametrize(
    ("listing", "doors"),
    [
        ("port 22\nlistenaddress [::]:2222\nlistenaddress 0.0.0.0:2222\n", [("::1", 2222), ("127.0.0.1", 2222)]),
        ("listenaddress 192.0.2.7:22\nlistenaddress [2001:db8::7]:2222\n", [("192.0.2.7", 22), ("2001:db8::7", 2222)]),
        ("usepam yes\n", []),
    ],
)
def test_where_sshd_answers_its_own_host(listing: str, doors: list[tuple[str, int]]) -> None:
    assert bans.doors(listing) == doors


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fail2ban.filter [437]: INFO    [sshd] Ignore ::1 by ignoreself rule", True),
        ("fail2ban.filter [437]: INFO    [sshd] Ignore ::1 by ip", True),
        ("fail2ban.filter [437]: INFO    [other] Ignore ::1 by ip", False),
        ("fail2ban.filter [437]: INFO    [sshd] Ignore ::11 by ip", False),
        ("fail2ban.filter [437]: INFO    [sshd] Found ::1 - 2026-11-20", False),
    ],
)
def test_the_jail_says_that_it_noticed(line: str, expected: bool) -> None:
    assert bans.noticed(f"x\n{line}\n", "sshd", "::1") is expected


OWN = "jail.d/research-server.local"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([OWN, "jail.conf", "jail.d/defaults-debian.conf", "filter.d/sshd.conf", "fail2ban.conf", "action.d/nftables.conf"], []),
        (
            [OWN, "jail.conf", "jail.local", "jail.d/zz.conf", "jail.d/aa.local"],
            ["jail.d/aa.local", "jail.d/zz.conf", "jail.local"],
        ),
        (["filter.d/sshd.conf", "filter.d/sshd.local", "filter.d/web.local", "filter.d/web.txt"], ["filter.d/sshd.local"]),
        (["fail2ban.conf", "fail2ban.local", "paths-common.local"], ["fail2ban.local"]),
        (["jail.d/README", "jail.d/more/x.conf"], []),
    ],
)
def test_whose_files_may_change_our_jails(names: list[str], told: list[str]) -> None:
    assert bans.overriding(names, OWN) == told


# As fail2ban 1.0.2 of Debian 12 prints it, shortened.
DUMP = """\
['set', 'syslogsocket', 'auto']
['set', 'loglevel', 'CRITICAL']
['add', 'sshd', 'systemd']
['set', 'sshd', 'maxretry', 900]
['multi-set', 'sshd', 'addfailregex', ['nothing']]
['set', 'web', 'maxretry', 3]
['multi-set', 'web', 'action', 'nftables', [['actionban', 'true']]]
['start', 'sshd']
Found no accessible config files
[]
"""


def test_what_fail2ban_reads_about_our_jails_and_itself() -> None:
    assert bans.commands(DUMP, ["sshd", "recidive"]) == [
        "set syslogsocket auto",
        "set loglevel CRITICAL",
        "add sshd systemd",
        "set sshd maxretry 900",
        "multi-set sshd addfailregex ['nothing']",
        "start sshd",
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-1", -1),
        ("10m", 600),
        ("1h 30m", 5400),
        ("1w", 604800),
        ("2d", 172800),
        ("often", None),
        ("3x", None),
        ("", None),
    ],
)
def test_times_as_fail2ban_writes_them(text: str, value: int | None) -> None:
    assert bans.seconds(text) == value


def test_what_is_asked_of_the_running_server() -> None:
    assert bans.numbers(f"{DUMP}['set', 'sshd', 'bantime', '1h']\n['set', 'sshd', 'bantime', 'x']\n", ["sshd"]) == [
        ("sshd", "maxretry", "900"),
        ("sshd", "bantime", "3600"),
    ]


def test_answers_come_in_the_order_of_the_questions() -> None:
    """As fail2ban 1.0.2 prints them; the second jail is not there."""
    text = "Fail2Ban v1.0.2 reads log file\n\nfail2ban> 5\nfail2ban> Sorry but the jail 'x' does not exist\nfail2ban> 600\nfail2ban> "
    assert bans.answers(text)[:3] == ["5", "Sorry but the jail 'x' does not exist", "600"]


def test_who_is_spared_is_compared_as_networks() -> None:
    dump = f"{DUMP}['set', 'sshd', 'addignoreip', '127.0.0.1/8', '::1', 'door.lab.example']\n['set', 'x', 'addignoreip', '::1']\n"
    answer = "These IP addresses/networks are ignored:\n|- 127.0.0.0/8\n|- door.lab.example\n`- ::1"
    ((jail, key, value),) = bans.spared(dump, ["sshd"])
    assert (jail, key) == ("sshd", "ignoreip")
    assert bans.answered("ignoreip", answer) == value
    assert "203.0.113.9/32" in bans.answered("ignoreip", answer.replace("`-", "|- 203.0.113.9\n`-"))
    assert bans.answered("ignoreip", "No IP address/network is ignored") == ""
    assert bans.answered("maxretry", "5") == "5"


def test_what_a_jail_does_and_who_is_spared_by_a_command() -> None:
    dump = "['set', 'sshd', 'addaction', 'nftables']\n['set', 'sshd', 'ignorecommand', '']\n['set', 'x', 'addaction', 'mail']\n"
    assert bans.actions(dump, ["sshd"]) == [("sshd", "actions", "nftables")]
    assert bans.numbers(dump, ["sshd"]) == [("sshd", "ignorecommand", "")]
    assert bans.answered("actions", "The jail sshd has the following actions:\nnftables, mail") == "mail nftables"
    assert bans.answered("actions", "No actions for jail sshd") == ""
