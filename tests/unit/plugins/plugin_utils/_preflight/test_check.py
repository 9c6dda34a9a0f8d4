# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight import check as preflight

DEBIAN = {"distribution": "Debian", "distribution_major_version": "12", "architecture": "x86_64", "service_mgr": "systemd"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, [], id="debian 12"),
        pytest.param({"distribution_major_version": "13"}, [], id="debian 13"),
        pytest.param({"distribution": "Ubuntu", "distribution_major_version": "24"}, [], id="ubuntu 24.04"),
        pytest.param({"distribution_major_version": "11"}, ["found Debian 11"], id="debian 11"),
        pytest.param({"distribution": "Archlinux", "distribution_major_version": "NA"}, ["found Archlinux"], id="arch"),
        pytest.param({"architecture": "armv7l"}, ["found architecture armv7l"], id="32 bit"),
        pytest.param({"service_mgr": "sysvinit"}, ["found service manager sysvinit"], id="no systemd"),
        pytest.param({"distribution": ""}, ["found no distribution"], id="no facts"),
    ],
)
def test_a_platform_that_is_not_supported_is_named(change, expected):
    found = preflight.check_platform({**DEBIAN, **change})
    assert len(found) == len(expected)
    assert all(part in line for part, line in zip(expected, found))


def test_a_typing_error_in_a_variable_is_named_with_what_was_meant():
    found = preflight.check_unknown(
        "sshd", ["sshd_port", "sshd_allow_groups"], ["sshd_prot", "sshd_port", "fail2ban_x", "__sshd_y"]
    )
    assert found == ["sshd_prot: unknown variable of role 'sshd'; did you mean 'sshd_port'?"]


def test_an_unknown_variable_without_a_likely_meaning_lists_what_the_role_has():
    assert "the role has: sshd_port" in preflight.check_unknown("sshd", ["sshd_port"], ["sshd_colour_of_the_door"])[0]


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (["account_researchers"], "accounts_researchers"),
        (["acounts_researchers"], "accounts_researchers"),
        # The lab's own, from which it makes the variable; another role's; another program's.
        (["account_researchers", "accounts_researchers"], ""),
        (["our_accounts_researchers"], ""),
        (["drift_researchers"], ""),
        (["account_something"], ""),
        (["researchers", "_researchers", "__accounts_researchers"], ""),
    ],
)
def test_a_typing_error_in_the_name_of_a_role_is_named_too(names, meant):
    found = preflight.check_prefix("accounts", ["accounts_researchers", "accounts_projects"], names)
    assert found == ([f"{names[0]}: unknown variable; did you mean '{meant}'?"] if meant else [])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"sshd_port": 2222}, 0, id="right"),
        pytest.param({"sshd_port": "22oo"}, 1, id="wrong type"),
        pytest.param({}, 1, id="missing"),
    ],
)
def test_values_are_validated_against_the_spec(values, expected):
    assert len(preflight.check_values("sshd", {"sshd_port": {"type": "int", "required": True}}, values)) == expected


ENTRIES = {
    "type": "list",
    "elements": "dict",
    "options": {
        "name": {"type": "str"},
        "src": {"type": "path"},
        "keys": {"type": "list", "elements": "dict", "options": {"key": {}}},
    },
}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param({"name": "a", "src": "b"}, [], id="right"),
        pytest.param({"name": "a", "scr": "b"}, ["x_y, entry a: found unknown key 'scr'; did you mean 'src'?"], id="near"),
        pytest.param({"colour": "b"}, ["x_y, entry 1: found unknown key 'colour'; expected one of keys, name, src"], id="far"),
        pytest.param({"name": "a", "keys": [{"kye": "b"}]}, ["x_y, entry a, keys, entry 1: found unknown key 'kye'"], id="deep"),
    ],
)
def test_an_unknown_key_of_an_entry_is_named_with_what_was_meant(entry, expected):
    found = preflight.check_values("x", {"x_y": ENTRIES}, {"x_y": [entry]})
    assert len(found) == len(expected)
    assert all(line.startswith(part) for part, line in zip(expected, found))


@pytest.mark.parametrize("text", ["ssh-ed25519 AAAAC3 ada@laptop", "ssh-rsa AAAAB3== ada", "ada"])
def test_a_text_in_the_place_of_an_entry_is_named(text):
    (found,) = preflight.check_values("x", {"x_y": ENTRIES}, {"x_y": [{"name": "grace"}, text]})
    assert found.startswith(f"x_y, entry 2: found the text '{text}'; expected 'name: ...'")


@pytest.mark.parametrize("text", ["name=ada", '{"name": "ada"}'])
def test_an_entry_that_ansible_reads_in_one_line_stays(text):
    assert preflight.check_values("x", {"x_y": ENTRIES}, {"x_y": [text]}) == []


@pytest.mark.parametrize(
    ("type_", "default", "said"),
    [
        ("list", [], "write '[]', or remove the variable"),
        ("list", "{{ other | default([]) }}", "write '[]'"),
        ("dict", {}, "write '{}'"),
        ("int", 2222, "expected a value of type int; write one"),
        ("str", None, ""),  # nothing is what it says without the inventory, too
    ],
)
def test_a_variable_that_is_there_and_says_nothing_is_named(type_, default, said):
    found = preflight.check_nothing({"x_y": {"type": type_}}, {"x_y": None}, {"x_y": default})
    assert len(found) == bool(said)
    assert all(said in line and line.startswith("x_y: found nothing (null)") for line in found)


def test_the_report_holds_every_problem():
    message = preflight.report("gpu-01", ["a: one", "b: two"])
    assert message.splitlines() == ["2 problems with gpu-01; nothing has been changed:", "  - a: one", "  - b: two"]
