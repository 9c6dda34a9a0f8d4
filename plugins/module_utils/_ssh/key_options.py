# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands before a key in ``authorized_keys``. Pure. Private to this collection.

The grammar is that of sshd(8), "AUTHORIZED_KEYS FILE FORMAT", as auth-options.c reads it: sshd skips a line with an option that
it does not understand, and the owner of the key stands before a closed door.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

# Flag -> whether it may be negated with `no-`.
FLAGS = {
    "agent-forwarding": True,
    "cert-authority": False,
    "port-forwarding": True,
    "pty": True,
    "restrict": False,
    "touch-required": True,
    "user-rc": True,
    "verify-required": True,
    "x11-forwarding": True,
}
ONCE = frozenset({"command", "from", "principals"})
OPTION = re.compile(r'([A-Za-z0-9-]+)(?:(=)(?:"((?:\\"|[^"])*)")?)?')
# As parse_absolute_time of OpenSSH's misc.c reads it.
TIME = re.compile(r"(\d{8})(\d{4})?(\d{2})?(Z|UTC)?", re.IGNORECASE)


class OptionError(ValueError):
    """sshd would ignore the key."""


class Option(NamedTuple):
    """One option; flags have no value."""

    name: str
    value: str | None


def parse(text: str) -> tuple[Option, ...]:
    """Read the options; raise :class:`OptionError` where sshd would not."""
    found: list[Option] = []
    position = 0
    while position < len(text):
        if found:
            if text[position] != ",":
                raise OptionError(f"options: found '{text[position:]}' after '{found[-1].name}'; expected a comma")
            position += 1
            if text[position : position + 1].isspace():
                raise OptionError(f"options: found a blank after '{text[:position]}'; expected none beside a comma")
        match = OPTION.match(text, position)
        if match is None:
            raise OptionError(f"options: found '{text[position:]}'; expected the name of an option")
        option = Option(match[1].lower(), None if match[3] is None else match[3].replace('\\"', '"'))
        problem = _problem(option, with_value=match[2] is not None)
        if problem:
            raise OptionError(f"options: {problem}")
        if option.name in ONCE and any(other.name == option.name for other in found):
            raise OptionError(f"options: found '{option.name}' twice; expected it once")
        found.append(option)
        position = match.end()
    return tuple(found)


def expiry(options: Iterable[Option]) -> datetime.datetime | None:
    """When the key stops to open anything; without a time zone it is the host's. Of several times the first counts."""
    times = [_time(option.value or "") for option in options if option.name == "expiry-time"]
    return min(times, key=lambda moment: moment.timestamp(), default=None)


def obstacle(options: Iterable[Option], *, now: float, address: str | None = None) -> str:
    """Why the key does not give its owner a shell; empty if it does.

    ``now`` is in seconds since 1970. ``address`` is where the owner comes from, if that is known.
    """
    listed = tuple(options)
    until = expiry(listed)
    if until is not None and until.timestamp() <= now:
        return f"it expired on {until:%Y-%m-%d}"
    for option in listed:
        if option.name == "cert-authority":
            return "it is a certificate authority, which opens nothing by itself"
        if option.name == "command":
            return "it runs one command only"
        if option.name == "from" and address is not None and not _listed(option.value or "", address):
            return f"it does not open from {address}"
    return ""


def _problem(option: Option, *, with_value: bool) -> str:
    name = option.name
    if name in VALUES:
        if option.value is None:
            return f'{name}: found no value in double quotes; expected {name}="..."'
        sentence = VALUES[name](option.value)
        return f"{name}: {sentence}" if sentence else ""
    negated = name.startswith("no-") and FLAGS.get(name[3:], False)
    if name not in FLAGS and not negated:
        return f"found '{name}'; expected one of {', '.join([*sorted(FLAGS), *sorted(VALUES)])}"
    return f"{name}: found a value; expected none" if with_value else ""


def _check_any(value: str) -> str:
    return ""


def _check_names(value: str) -> str:
    return "" if all(value.split(",")) else "found an empty name; expected names with commas between them"


def _check_from(value: str) -> str:
    for item in value.split(","):
        pattern = item.removeprefix("!")
        if "/" in pattern:
            try:
                ipaddress.ip_network(pattern)
            except ValueError as error:
                return f"found '{item}' ({error}); expected a network such as 192.0.2.0/24"
            if not re.fullmatch(r"[0-9]{1,3}", pattern.partition("/")[2]):
                # To Python it is a network. To sshd it is a pattern, which matches no address (addr.c, addr_pton_cidr).
                return f"found '{item}'; expected the length of the network's prefix behind '/', such as 192.0.2.0/24"
        elif not re.fullmatch(r"[A-Za-z0-9.:%_*?-]+", pattern):
            return f"found '{item}'; expected an address, a network or a pattern such as 192.0.2.*"
    if all(item.startswith("!") for item in value.split(",")):
        return f"found '{value}', which opens from nowhere; expected an item without '!' as well, such as *"
    return ""


def _check_time(value: str) -> str:
    try:
        _time(value)
    except ValueError:
        return f"found '{value}'; expected YYYYMMDD or YYYYMMDDHHMM[SS], with Z or UTC after it or not, a date that exists"
    return ""


def _check_environment(value: str) -> str:
    return "" if re.match(r"[A-Za-z0-9_]+=", value) else f"found '{value}'; expected NAME=value"


def _check_open(value: str) -> str:
    # sshd cuts at the first colon outside of brackets, and leaves the whole key out if it finds no port behind it.
    found = re.fullmatch(r"(?:\[[^\]\s]+\]|[^:\s\[\]]+):(.+)", value)
    return "" if found and _is_port(found[1]) else f"found '{value}'; expected host:port or [address]:port"


def _check_listen(value: str) -> str:
    return "" if _is_port(value.rpartition(":")[2]) else f"found '{value}'; expected [host:]port"


def _check_tunnel(value: str) -> str:
    return "" if value == "any" or value.isdigit() else f"found '{value}'; expected a number or 'any'"


VALUES: dict[str, Callable[[str], str]] = {
    "command": _check_any,
    "environment": _check_environment,
    "expiry-time": _check_time,
    "from": _check_from,
    "permitlisten": _check_listen,
    "permitopen": _check_open,
    "principals": _check_names,
    "tunnel": _check_tunnel,
}


def _is_port(text: str) -> bool:
    return text == "*" or (text.isdigit() and 1 <= int(text) <= 65535)


def _time(text: str) -> datetime.datetime:
    match = TIME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    digits = "".join(part or "" for part in match.groups()[:3]).ljust(14, "0")
    moment = datetime.datetime.strptime(digits, "%Y%m%d%H%M%S")
    return moment.replace(tzinfo=datetime.timezone.utc) if match[4] else moment


def _listed(patterns: str, address: str) -> bool:
    """As match_host_and_ip: one item has to match, and none with `!`. Names of hosts match nothing, sshd asks no DNS (UseDNS)."""
    matched = False
    wanted = ipaddress.ip_address(address.partition("%")[0])
    for item in patterns.split(","):
        pattern = item.lstrip("!")
        try:
            hit = wanted in ipaddress.ip_network(pattern)
        except ValueError:
            shape = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
            hit = re.fullmatch(shape, address, re.IGNORECASE) is not None
        if hit and item.startswith("!"):
            return False
        matched = matched or hit
    return matched
