# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With certbot and an authority, the scenario `proxy` shows it."""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host.refused import RefusedError
from ansible_collections.openlab.research_server.plugins.module_utils._proxy import acme

DIRECTORY = "https://acme.example/directory"
OTHER = "https://other.example/directory"
DAY = 86400


class Host:
    """What the host's programs say."""

    def __init__(self, said: str = "", code: int = 0) -> None:
        self.said, self.code = said, code
        self.asked: list[str] = []

    def run(self, *_argv: str) -> str:
        return self.said

    def attempt(self, *argv: str) -> tuple[int, str, str]:
        self.asked = list(argv)
        return self.code, "", self.said


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CERTIFICATE", "KEY", "RENEWAL", "WEBROOT"):
        monkeypatch.setattr(acme, name, str(tmp_path / name))
    for name in ("CERTIFICATE", "KEY"):
        (tmp_path / name).write_text("x")
    (tmp_path / "RENEWAL").write_text(f"[renewalparams]\nserver = {DIRECTORY}\n")
    return tmp_path


def said_of(begin: float, end: float, names: str = "DNS:lab.example.org, DNS:www.example.org") -> str:
    form = "%b %d %H:%M:%S %Y GMT"
    before, after = (time.strftime(form, time.gmtime(time.time() + days * DAY)) for days in (begin, end))
    return f"notBefore={before}\nnotAfter={after}\nX509v3 Subject Alternative Name: \n    {names}\n"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (said_of(-10, 80), ""),
        (said_of(-70, 20), ""),
        (said_of(-80, 10), "has not been renewed"),
        (said_of(-3, 3), ""),  # of those that last for days
        (said_of(-305, 60), ""),  # older ones of certbot renew it with 30 days left
        (said_of(-350, 15), "has not been renewed"),
        (said_of(-10, 80, "DNS:lab.example.org"), "one for other names"),
        (said_of(-10, 80, "DNS:lab.example.org, DNS:www.example.org, DNS:more.example.org"), "one for other names"),
    ],
)
@pytest.mark.usefixtures("live")
def test_which_certificate_will_do(said: str, why: str) -> None:
    found = acme.lacking(t.cast(t.Any, Host(said)), DIRECTORY, ["www.example.org", "lab.example.org"])
    assert (found == "") == (why == "") and why in found


def test_none_or_one_of_another_authority_will_not(live: Path) -> None:
    host = t.cast(t.Any, Host(said_of(-10, 80)))
    assert acme.lacking(host, OTHER, []) == "one from elsewhere"
    (live / "KEY").unlink()
    assert acme.lacking(host, DIRECTORY, []) == "none"


@pytest.mark.parametrize(("email", "word"), [("", "--register-unsafely-without-email"), ("ops@lab.example", "ops@lab.example")])
def test_what_certbot_is_asked(live: Path, email: str, word: str) -> None:
    host = Host(said_of(0, 90, "DNS:a.example, DNS:b.example"))
    acme.order(t.cast(t.Any, host), DIRECTORY, email, ["a.example", "b.example"])
    assert word in host.asked and host.asked[-4:] == ["--domain", "a.example", "--domain", "b.example"]
    assert (live / "WEBROOT").is_dir()
    assert "--force-renewal" not in host.asked, "authorities count it"


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_certificate_of_another_authority_is_replaced(live: Path, quote: str) -> None:
    class Certbot(Host):
        def attempt(self, *argv: str) -> tuple[int, str, str]:
            if "--force-renewal" in argv and "--break-my-certs" in argv:
                (live / "RENEWAL").write_text(f"[renewalparams]\nserver = {quote}{OTHER}{quote}\nkey_type = ecdsa\n")
            return super().attempt(*argv)

    host = Certbot(said_of(0, 90, "DNS:a.example"))
    acme.order(t.cast(t.Any, host), OTHER, "", ["a.example"])
    assert acme.lacking(t.cast(t.Any, host), OTHER, ["a.example"]) == ""


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize(
    ("directory", "names", "why"), [(OTHER, "DNS:a.example", "elsewhere"), (DIRECTORY, "DNS:b.example", "other names")]
)
def test_what_certbot_keeps_though_it_will_not_do_is_told(directory: str, names: str, why: str) -> None:
    host = t.cast(t.Any, Host(said_of(0, 90, names)))
    with pytest.raises(RefusedError, match=f"found one f.*{why}.*; expected one of {directory} for a.example"):
        acme.order(host, directory, "", ["a.example"])


def test_the_first_certificate_is_not_forced(live: Path) -> None:
    for name in ("CERTIFICATE", "KEY", "RENEWAL"):
        (live / name).unlink()
    host = Host()
    with pytest.raises(RefusedError, match="found none in"):
        acme.order(t.cast(t.Any, host), DIRECTORY, "", ["a.example"])
    assert "--force-renewal" not in host.asked


@pytest.mark.usefixtures("live")
def test_the_reason_is_the_end_of_what_certbot_says() -> None:
    host = Host("".join(f"line {number}\n\n" for number in range(40)), 1)
    with pytest.raises(RefusedError, match=r"found no certificate for a.example: https://acme.example(.|\n)*line 39$") as refused:
        acme.order(t.cast(t.Any, host), DIRECTORY, "", ["a.example"])
    assert "line 27\n" not in str(refused.value)


def test_the_first_of_a_chain_is_the_servers_own() -> None:
    one, two = (f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n" for text in ("ABA=", "AAA="))
    assert acme.first(one + two) == b"\x00\x10"
    assert acme.first("") == acme.first("nothing") == b""
