# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import re
import time

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._text.secrets import KINDS, in_urls, mask, mask_urls

SECRET = "s3cretS3cret0123456789"
KEY_LINES = [base64.b64encode(bytes([number]) * 48).decode() for number in range(5)]
KEY = "\n".join(["-----BEGIN OPENSSH PRIVATE KEY-----", *KEY_LINES, "-----END OPENSSH PRIVATE KEY-----"])
PUTTY = "\n".join(
    ["PuTTY-User-Key-File-3: ssh-ed25519", "Public-Lines: 1", "AAAA", "Private-Lines: 5", *KEY_LINES, "Private-MAC: ab"]
)


@pytest.mark.parametrize(
    "text",
    [
        "https://ada:{}@conda.example/",
        "http//ada:{}@conda.example/",
        "git+https://{}@git.example/x.git@v1",
        "https://ada:p@{}@conda.example/",
        "https://conda.example/t/{}/lab",
        "https://conda.example/t/{}",
        "[I 2026-11-20 ServerApp] http://127.0.0.1:20001/lab?token={}",
        "http://127.0.0.1:20001/lab?x=1&amp;token={}",
        "https://s3.example/x?X-Amz-Signature={}&y=1",
        "https://h.example/x?api_key={}&y=1",
        "password = {}",
        '  "db_password": "{}",',
        r"{{\"password\": \"{}\"}}",
        "c.IdentityProvider.token = '{}'",
        "JUPYTER_TOKEN={}",
        "c.PasswordIdentityProvider.hashed_password = '{}'",
        "aws_secret_access_key = {}",
        "WANDB_API_KEY={}",
        "api-key: {}",
        "PrivateKey = {}",
        "passphrase: {}",
        "MYSQL_PASSWD={}",
        "mysql --password {} db",
        "tool --api-key {}",
        "sshpass -p {} ssh x",
        "ssh://git:{}@host/x",
        "sshpass -p{} ssh x",
        "machine h.example login ada password {}",
        "machine h.example\n  login ada\n  password {}\n",
        "Authorization: Basic {}==",
        "authorization: Bearer {}",
        '"Authorization": "token {}"',
        "curl -H 'Authorization: Bearer {}'",
        "Proxy-Authorization: Basic {}",
        "Set-Cookie: _xsrf={}",
        "it said Bearer {}",
        "ops:$6$saltsalt${}:19000:",
        "ops:$y$j9T$F5Jx5fExrKuPp53xLKQ..1${}",
        "$2b$12${}",
        "argon2:$argon2id$v=19$m=10240,t=10,p=8$salt${}",
        "ghp_{}",
        "github_pat_{}",
        "glpat-{}",
        "hf_{}",
        "pypi-{}",
        "xoxb-{}",
        "sk-proj-{0}{0}",
        "sk_live_{}",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.{}",
        "age-secret-key-1{}",
    ],
)
def test_a_secret_is_hidden(text: str) -> None:
    masked = mask(text.format(SECRET))
    assert SECRET not in masked
    assert "***" in masked
    assert mask(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA-0123456789abcdefghijklmnopqrstu",
        "sha1:0123456789ab:0123456789abcdef0123456789abcdef01234567",
    ],
)
def test_a_secret_of_a_fixed_form_is_hidden(text: str) -> None:
    assert text[-20:] not in mask(text)


@pytest.mark.parametrize(
    "text",
    [
        "mallory ALL=(ALL) NOPASSWD: ALL",
        "git+ssh://git@github.com/lab/tool.git",
        "PasswordAuthentication yes",
        "PermitEmptyPasswords=no",
        "AuthorizedKeysFile .ssh/authorized_keys",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr alice@lab",
        "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIFRUVFRUVFRUVFRU ada@token",
        "sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20 ada@token",
        "key SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU (carol@guest) expires on 2027-01-31",
        "sha256:0d4f7f4ad4bbcd5a4f8b3d2f6b1a1f1ad3f1e7b6ce2f4b6b2a2c3f1f8d5e4c3b",
        "TokenBucket 3",
        "max_tokens: 4096",
        "+ tokenizers 0.19.1 py311_0 conda-forge",
        "passwd:         files systemd",
        "Failed password for invalid user bob from 192.0.2.7 port 40022 ssh2",
        "Permission denied (publickey,password).",
        "root is refused; name it with --private-key FILE",
        "a one-time password is given with -k (--ask-pass) or bootstrap_password",
        "account 'alice': password: expected a hash as in crypt(5), such as $y$...; never the password itself",
        "https://conda.example/lab/noarch/app-1.0-0.conda",
        "https://h.example/@scope/x",
        "echo $1$2",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
    ],
)
def test_what_an_administrator_must_see_is_not_hidden(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize(
    "text", [KEY, PUTTY, KEY.replace("\n", "\\n"), KEY.replace("OPENSSH", "ENCRYPTED"), KEY.replace("\n", "\r\n")]
)
def test_the_body_of_a_private_key_is_hidden(text: str) -> None:
    masked = mask(f"before\n{text}\nafter")
    assert not any(line in masked for line in KEY_LINES)
    assert masked.startswith("before\n-----BEGIN" if text is not PUTTY else "before\nPuTTY")
    assert masked.endswith("\nafter")


@pytest.mark.parametrize("prefix", ["", "+", "  ", '"', "Nov 20 02:30:00 gpu-01 jupyter[12]: "])
@pytest.mark.parametrize("lost", ["its beginning", "its end"])
def test_a_key_that_was_cut_is_hidden_and_what_stands_beside_it_is_not(prefix: str, lost: str) -> None:
    lines = [f"{prefix}{line}" for line in KEY.splitlines()]
    text = "\n".join(["carol: found no server", *(lines[1:] if lost == "its beginning" else lines[:-1]), "dave: found no server"])
    masked = mask(text)
    assert not any(line in masked for line in KEY_LINES)
    assert masked.startswith("carol: found no server\n")
    assert masked.endswith("\ndave: found no server")


def test_a_key_behind_another_one_without_an_end_is_hidden() -> None:
    begun = "\n".join(KEY.splitlines()[:-2])
    masked = mask(f"{begun}\n{begun}\nthe end")
    assert not any(line in masked for line in KEY_LINES)
    assert masked.endswith("\nthe end")


def test_a_public_key_cannot_hide_behind_the_mark_of_a_private_one() -> None:
    rogue = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr mallory"
    text = f"-----BEGIN PRIVATE KEY-----\n{rogue}\n-----END PRIVATE KEY-----"
    assert rogue in mask(text)


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[31mpass\x1b[0mword\x1b[1m=\x1b[0m{}",
        "pass\u200bword={}",
        "to\u00adken: {}",
        "https://ada:\u202e{}@h.example/",
        "ghp_\u2060{}",
        "\x1b[32m-----BEGIN PRI\x1b[0mVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
    ],
)
def test_colours_and_unseen_characters_do_not_uncover_a_secret(text: str) -> None:
    assert SECRET not in mask(text.format(SECRET))


def test_a_secret_that_is_cut_in_the_middle_is_hidden() -> None:
    text = f"first line\nhttps://ada:{SECRET}@conda.example/ {KEY}"
    for keep in range(len(text)):
        masked = mask(text, keep=keep)
        assert SECRET[:4] not in masked
        assert KEY_LINES[0][:8] not in masked
        assert len(masked) <= len(text)
    assert mask("plain text", keep=5) == "plain"


def test_credentials_in_urls_are_found_and_hidden_alone() -> None:
    text = "password=x https://ada:word@h.example/t/to-ken/x?token=abc&y=1"
    assert in_urls(text) == ["ada:word", "to-ken", "token=abc"]
    assert mask_urls(text) == "password=x https://***@h.example/t/***/x?***&y=1"


def test_a_text_without_secrets_costs_no_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most texts: a long list of packages must not be read thirty times."""
    tried: list[str] = []
    monkeypatch.setattr(re, "finditer", lambda pattern, text: tried.append(pattern) or iter(()))
    mask("\n".join(f"numpy-{number} 1.26.{number} py311_0 conda-forge" for number in range(1000)))
    assert tried == []


# Beginnings that lead nowhere, repeated: what makes a careless pattern read the same characters again and again.
WORST = [
    *("://", "://a:", "//a:b", "//a@", "//", "//a", "@", "/t/", "/t/a", "/t/'", "?token=", "&token=a", "?", "&sig=&"),
    *("password=", "password=\n", "password ", "password\t", "password\\", "_token", "token:", "secret  ", "api_key", "passwd ="),
    *(
        "--password ",
        "--a-",
        "--a-a-a-",
        "-",
        "--",
        "sshpass -p ",
        "sshpass ",
        "login ",
        "login a ",
        "login a password ",
        "account\t",
    ),
    *("authorization: ", "authorization:\n", "cookie:", "cookie: \n", "bearer ", "bearer a", "bearer\t\t", "bearer 1"),
    *("$6$", "$6$a ", "$argon2id$", "$", "sha1:", "sha1:0123456789ab:", "0123456789ab:"),
    *(
        "ghp_",
        "ghp_a-",
        "github_pat_",
        "glpat-",
        "-glpat-",
        "gla-",
        "hf_",
        "pypi-",
        "xoxb-",
        "sk-",
        "sk_live_",
        "AIza",
        "AKIA",
        "ASIA ",
    ),
    *("eyJ", "-eyJaaaaaaaaa", "eyJaaaaaaaa.", "eyJaaaaaaaa.eyJaaaaaaaa ", "age-secret-key-", "age-secret-key-1"),
    *("-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n", "-----BEGIN ", "-----BEGIN A", "PRIVATE KEY", "-----END "),
    *(
        "-----END PRIVATE KEY-----",
        "-----END PRIVATE KEY-----\n",
        "-----END PRIVATE KEY\nA",
        "Private-Lines: 1\n",
        "Private-MAC:\n",
        "Private-Lines:",
        "\t",
    ),
    *("ssh-", "ssh-ed25519 ", "ssh-a AAA", "ecdsa-sha2-", "A: ", "A" * 59 + " ", "A" * 59 + "-"),
    *(
        "a",
        "a ",
        " ",
        "\n",
        "\r",
        "\r\n",
        "\x1b",
        "\x1b[",
        "\x1b[0",
        "\x1b[0m",
        "\x1b[ ",
        "\u202e",
        "\u200b",
        "\udcff",
        "é",
        "\U000e0001",
    ),
]
AROUND = [("", ""), ("-----BEGIN PRIVATE KEY-----\n", ""), ("-----BEGIN PRIVATE KEY-----\n", "\n-----END PRIVATE KEY-----")]


def seconds(text: str) -> float:
    """The fastest of some attempts: the machine may have something else to do."""
    spent = []
    for _attempt in range(2):
        begun = time.process_time()
        mask(text)
        spent.append(time.process_time() - begun)
    return min(spent)


@pytest.mark.parametrize("unit", WORST, ids=repr)
def test_the_time_grows_as_the_text_does(unit: str) -> None:
    """A text of twenty times the size takes about twenty times as long; with a pattern that reads again it is four hundred."""
    for before, after in AROUND:
        small, large = (f"{before}{(unit * (size // len(unit) + 1))[:size]}{after}" for size in (5_000, 100_000))
        assert seconds(large) < 80 * max(seconds(small), 0.001), (before, after)


@pytest.mark.parametrize("unit", ["://", "://a:", "/t/", "-----BEGIN PRIVATE KEY-----", "$6$", "password=", "\x1b[0m"], ids=repr)
def test_a_megabyte_of_the_worst_text_is_no_work(unit: str) -> None:
    text = (unit * (1_000_000 // len(unit) + 1))[:1_000_000]
    # Measured: 0.1 to 0.7 s. The one before took 28 s for the sixteenth part of it.
    assert seconds(text) < 10


def test_each_kind_is_among_the_worst_texts() -> None:
    """Whoever adds a kind adds the beginning of it here."""
    for kind in KINDS:
        assert any(mark in unit.casefold() for mark in kind.marks for unit in WORST), kind
