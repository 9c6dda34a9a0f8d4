# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._ssh import key_options as options

NOON = datetime.datetime(2026, 11, 20, 12).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "restrict",
        "restrict,pty,no-user-rc",
        "RESTRICT,No-Pty",
        'from="192.0.2.7,10.0.0.0/8,!10.0.0.9,2001:db8::/32,*.example.org,10.1.?.*"',
        'command="echo \\"a, b\\" #",no-pty',
        'command=""',
        'permitopen="localhost:80",permitopen="[::1]:*",permitlisten="8080"',
        'expiry-time="20270131"',
        'expiry-time="202701312359"',
        'expiry-time="20270131235959Z"',
        'expiry-time="20270131UTC"',
        'expiry-time="20270131utc"',
        'expiry-time="202701312359z"',
        'environment="LANG=C.UTF-8",tunnel="0",tunnel="any"',
        'cert-authority,principals="alice,bob"',
        "no-touch-required,verify-required",
    ],
)
def test_what_sshd_reads_is_read(text: str) -> None:
    assert bool(options.parse(text)) == bool(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("restricted", "found 'restricted'"),
        ("no-restrict", "found 'no-restrict'"),
        ("no-cert-authority", "found 'no-cert-authority'"),
        ("restrict=yes", "restrict: found a value"),
        ('restrict="yes"', "restrict: found a value"),
        ("restrict,", "expected the name of an option"),
        (",restrict", "expected the name of an option"),
        ("restrict;pty", "expected a comma"),
        ('from="10.0.0.1"pty', "expected a comma"),
        ("from=10.0.0.1", "from: found no value in double quotes"),
        ("from", "from: found no value in double quotes"),
        ('from="10.0.0.1', "from: found no value in double quotes"),
        ('from=""', "from: found ''"),
        ('from="10.0.0.9/8"', "has host bits set"),
        ('from="10.0.0.0/33"', "from: found '10.0.0.0/33'"),
        ('from="10.0.0.1 10.0.0.2"', "from: found"),
        ('from="10.0.0.0/255.0.0.0"', "expected the length of the network's prefix"),
        ('from="10.0.0.0/0.255.255.255"', "expected the length of the network's prefix"),
        ('from="!192.0.2.0/24"', "which opens from nowhere"),
        ('permitopen="::1:8888"', "expected host:port or [address]:port"),
        ('permitopen="a b:80"', "expected host:port"),
        ('command="a",command="b"', "found 'command' twice"),
        ('expiry-time="2027-01-31"', "expiry-time: found '2027-01-31'"),
        ('expiry-time="20270231"', "a date that exists"),
        ('expiry-time="2027013"', "expiry-time"),
        ('environment="A B=c"', "NAME=value"),
        ('permitopen="localhost"', "expected host:port"),
        ('permitopen="localhost:0"', "expected host:port"),
        ('permitlisten="x"', "[host:]port"),
        ('tunnel="tun0"', "a number or 'any'"),
        ('principals="a,,b"', "empty name"),
        ('unknown="x"', "found 'unknown'"),
    ],
)
def test_what_sshd_would_skip_is_refused(text: str, says: str) -> None:
    with pytest.raises(options.OptionError) as raised:
        options.parse(text)
    assert says in str(raised.value)


def test_values_lose_their_quotes() -> None:
    found = options.parse('command="say \\"hello\\", world",PTY')
    assert found == (options.Option("command", 'say "hello", world'), options.Option("pty", None))


def test_the_first_of_several_times_counts() -> None:
    found = options.expiry(options.parse('expiry-time="20280101",expiry-time="20270102030405"'))
    assert found == datetime.datetime(2027, 1, 2, 3, 4, 5)
    assert options.expiry(options.parse("restrict")) is None
    utc = options.expiry(options.parse('expiry-time="20270101Z"'))
    assert utc is not None
    assert utc.timestamp() == datetime.datetime(2027, 1, 1, tzinfo=datetime.timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("text", "address", "says"),
    [
        ("", "192.0.2.7", ""),
        ("restrict,no-pty", None, ""),
        ('expiry-time="20261121"', None, ""),
        ('expiry-time="202611201201"', None, ""),
        ('expiry-time="20261120"', None, "expired on 2026-11-20"),
        ('command="backup"', None, "one command"),
        ("cert-authority", None, "certificate authority"),
        ('from="10.0.0.0/8"', None, ""),
        ('from="10.0.0.0/8"', "10.1.2.3", ""),
        ('from="10.0.0.0/8"', "192.0.2.7", "does not open from 192.0.2.7"),
        ('from="10.0.0.0/8,!10.1.2.3"', "10.1.2.3", "does not open"),
        ('from="!10.1.2.3,*"', "10.1.2.4", ""),
        ('from="10.1.2.?"', "10.1.2.4", ""),
        ('from="10.1.2.?"', "10.1.2.44", "does not open"),
        ('from="2001:db8::/32"', "2001:db8::7", ""),
        ('from="2001:db8::/32"', "fe80::1%eth0", "does not open"),
        ('from="login.example.org"', "192.0.2.7", "does not open"),
    ],
)
def test_what_keeps_the_owner_out(text: str, address: str | None, says: str) -> None:
    found = options.obstacle(options.parse(text), now=NOON, address=address)
    assert (says in found) if says else found == ""
