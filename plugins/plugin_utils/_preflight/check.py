# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold before anything is changed. Pure: values in, sentences out. Private to this collection."""

from __future__ import annotations

import difflib
import typing as t
from collections.abc import Collection, Iterable, Mapping

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.validation import check_type_dict
from ansible.module_utils.errors import UnsupportedError

# Platform -> how far it is tested. Anything else is refused: a half-fitting server is worse than none.
TESTED = "tested end to end"
UNTESTED = "same code paths, not run by the project's tests"
PLATFORMS: dict[tuple[str, str], str] = {
    ("Debian", "12"): TESTED,
    ("Debian", "13"): TESTED,
    ("Ubuntu", "22"): UNTESTED,
    ("Ubuntu", "24"): UNTESTED,
    ("RedHat", "9"): UNTESTED,
    ("AlmaLinux", "9"): UNTESTED,
    ("Rocky", "9"): UNTESTED,
}
ARCHITECTURES = ("x86_64", "aarch64")


def check_platform(facts: Mapping[str, t.Any]) -> list[str]:
    """Say why this machine is not one of the supported platforms; nothing if it is."""
    distribution = str(facts.get("distribution", ""))
    release = str(facts.get("distribution_major_version", ""))
    if not distribution:
        return ["facts: found no distribution; expected gathered facts; run the play with 'gather_facts: true'"]
    supported = ", ".join(sorted({" ".join(key) for key in PLATFORMS}))
    problems = []
    if (distribution, release) not in PLATFORMS:
        problems.append(f"platform: found {distribution} {release}; expected one of {supported}; reinstall the machine")
    if facts.get("architecture") not in ARCHITECTURES:
        problems.append(f"platform: found architecture {facts.get('architecture')}; expected {' or '.join(ARCHITECTURES)}")
    if facts.get("service_mgr") != "systemd":
        problems.append(f"platform: found service manager {facts.get('service_mgr')}; expected systemd")
    return problems


def check_unknown(role: str, options: Iterable[str], names: Iterable[str]) -> list[str]:
    """Name every variable with the role's prefix that the role does not have: a typing error would be ignored in silence."""
    known = sorted(options)
    problems = []
    for name in sorted(names):
        if name.startswith(f"{role}_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"the role has: {', '.join(known)}"
            problems.append(f"{name}: unknown variable of role '{role}'; {hint}")
    return problems


# Below this a name is somebody else's: "jupyterhub" is not "jupyter", "ssh" is "sshd".
_SAME_PREFIX = 0.85


def check_prefix(role: str, options: Iterable[str], names: Collection[str]) -> list[str]:
    """Name every variable that would be one of the role's, had it the role's name in front: it would be ignored in silence.

    Where the variable itself is set, too, the other one is the lab's own.
    """
    ends = {option.removeprefix(f"{role}_"): option for option in options if option not in names}
    problems = []
    for name in sorted(names):
        for front, end in ((name[:place], name[place + 1 :]) for place, sign in enumerate(name) if sign == "_"):
            if end in ends and front != role and _resembles(front, role):
                problems.append(f"{name}: unknown variable; did you mean '{ends[end]}'?")
    return problems


def _resembles(front: str, role: str) -> bool:
    return not front.endswith(f"_{role}") and difflib.SequenceMatcher(None, front, role).ratio() >= _SAME_PREFIX


def check_nothing(options: Mapping[str, t.Any], values: Mapping[str, t.Any], defaults: Mapping[str, t.Any]) -> list[str]:
    """Name every variable that is there and says nothing, as when all items of its list are comments.

    The default is not taken then, and a role that joins lists would fail in the middle of the run.
    """
    problems = []
    for name, value in values.items():
        if value is None and defaults.get(name) is not None:
            type_ = str(options[name].get("type", "str"))
            empty = {"list": "'[]'", "dict": "'{}'", "str": "''"}.get(type_, "one")
            problems.append(
                f"{name}: found nothing (null); expected a value of type {type_}; write {empty}, or remove the variable"
            )
    return problems


def check_values(role: str, options: Mapping[str, t.Any], values: Mapping[str, t.Any]) -> list[str]:
    """Validate values against the role's argument spec, as Ansible would when the role starts."""
    known = {name: values[name] for name in options if name in values}
    if texts := check_texts(options, known):
        return texts
    result = ArgumentSpecValidator(dict(options)).validate(known)
    # Ansible's own sentence about unknown keys names neither the entry nor what was meant.
    errors = [error for error in result.errors if not isinstance(error, UnsupportedError)]
    return [*check_entries(options, known), *(f"role '{role}': {error.msg}" for error in errors)]


def check_texts(options: Mapping[str, t.Any], values: Mapping[str, t.Any]) -> list[str]:
    """Name every entry that is a text where its variable wants names and values; Ansible's own sentence names neither."""
    problems = []
    for variable, value in values.items():
        if options[variable].get("elements") == "dict" and isinstance(value, list):
            first = next((name for name, spec in options[variable].get("options", {}).items() if spec.get("required")), "name")
            problems += [
                f"{variable}, entry {number}: found the text '{entry[:40]}'; expected '{first}: ...' and what else "
                "belongs to it, each in a line of its own"
                for number, entry in enumerate(value, 1)
                if isinstance(entry, str) and not _is_mapping(entry)
            ]
    return problems


def _is_mapping(text: str) -> bool:
    """Whether Ansible takes a text for names and values, as 'name=ada' or JSON."""
    try:
        check_type_dict(text)
    except (TypeError, ValueError):
        return False
    return True


def check_entries(options: Mapping[str, t.Any], values: Mapping[str, t.Any]) -> list[str]:
    """Name every key of an entry that its variable does not know, however deep."""
    problems = []
    for variable, value in values.items():
        if known := options[variable].get("options"):
            problems += _unknown_keys(variable, known, value)
    return problems


def _unknown_keys(place: str, options: Mapping[str, t.Any], value: t.Any) -> list[str]:
    problems = []
    entries = value if isinstance(value, list) else [value]
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, Mapping):
            continue
        here = place if len(entries) == 1 and not isinstance(value, list) else f"{place}, entry {entry.get('name') or number}"
        known = {name for option, spec in options.items() for name in (option, *spec.get("aliases", ()))}
        for key, inner in entry.items():
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"expected one of {', '.join(sorted(known))}"
                problems.append(f"{here}: found unknown key '{key}'; {hint}")
            elif deeper := options.get(key, {}).get("options"):
                problems += _unknown_keys(f"{here}, {key}", deeper, inner)
    return problems


def report(host: str, problems: Iterable[str]) -> str:
    """One message with every problem, so that a second run is not needed to learn of the next."""
    found = list(problems)
    noun = "problem" if len(found) == 1 else "problems"
    return "\n".join([f"{len(found)} {noun} with {host}; nothing has been changed:", *(f"  - {line}" for line in found)])
