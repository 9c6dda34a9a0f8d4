# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import email
import email.policy
import stat

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._notify import mail
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._notify.errors import RejectedError, UnavailableError

TOLD = {
    "id": "n1",
    "kind": "change",
    "subject": "Our lab: drift, 1 new",
    "text": "Grüße\n.\nFrom here on\n",
    "created": "2026-11-01T03:00:00+00:00",
}
PEOPLE = {"to": ["ops@lab.example", "ada@lab.example"], "sender": "drift@lab.example"}


@pytest.fixture
def agent(tmp_path):
    """A mail transfer agent that does what its script says."""

    def make(script):
        path = tmp_path / "sendmail"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    return make


def test_the_agent_gets_one_mail_with_all_headers(agent, tmp_path):
    mail.send(TOLD, **PEOPLE, sendmail=agent(f'echo "$*" > {tmp_path}/arguments; cat > {tmp_path}/mail'))
    assert (tmp_path / "arguments").read_text() == "-t -i\n"
    got = email.message_from_bytes((tmp_path / "mail").read_bytes(), policy=email.policy.default)
    assert got["To"] == "ops@lab.example, ada@lab.example" and got["From"] == "drift@lab.example"
    assert got["Subject"] == TOLD["subject"] and got["Message-ID"] == "<n1@lab.example>"
    assert got["Date"] == "Sun, 01 Nov 2026 03:00:00 +0000" and got["Auto-Submitted"] == "auto-generated"
    assert got.get_content() == TOLD["text"]


def test_no_text_becomes_a_header():
    made = mail.compose({**TOLD, "subject": "x\nBcc: eve@evil.example\r\nX: y", "kind": "a\nb"}, **PEOPLE)
    assert made["Bcc"] is None and made["X"] is None and "\n" not in made["Subject"]


@pytest.mark.parametrize("address", ["", "no address, at all", "a@b\nBcc: eve@evil.example", "<>"])
def test_what_is_no_address_is_refused(agent, address):
    for people in ({**PEOPLE, "to": [address]}, {**PEOPLE, "sender": address}):
        with pytest.raises(RejectedError):
            mail.send(TOLD, **people, sendmail=agent("exit 0"))


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        ("cat >/dev/null; exit 75", UnavailableError, "ended with 75: it did not say why"),
        (
            "cat >/dev/null; printf 'one\\npassword=geheim\\033[1m x\\n' >&2; exit 1",
            UnavailableError,
            r"ended with 1: password=\*\*\*",
        ),
        ("cat >/dev/null; echo no such user; exit 67", RejectedError, "ended with 67: no such user"),
        ("sleep 5", UnavailableError, r"has not ended within 0.3 s"),
    ],
)
def test_how_it_ends_is_told(agent, script, error, said):
    with pytest.raises(error, match=said):
        mail.send(TOLD, **PEOPLE, sendmail=agent(script), seconds=0.3 if "sleep" in script else 20)


def test_a_machine_without_an_agent_is_told_what_to_install(tmp_path):
    with pytest.raises(UnavailableError, match="install one, such as"):
        mail.send(TOLD, **PEOPLE, sendmail=str(tmp_path / "none"))
    (tmp_path / "file").write_text("")
    (tmp_path / "file").chmod(stat.S_IRUSR)
    with pytest.raises(UnavailableError, match="Permission denied"):
        mail.send(TOLD, **PEOPLE, sendmail=str(tmp_path / "file"))
