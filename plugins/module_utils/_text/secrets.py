# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find what looks like a secret in a text, and hide it. Pure. Private to this collection.

The text may come from somebody hostile, so its size is all that counts: each pattern reads a character a fixed number of times.
Whoever adds one: it begins at a mark that it does not contain, or where no run of its own characters has begun; no repetition
stands beside another one of the same characters. The test has a megabyte of the worst text for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .escapes import unseen

HIDDEN = "***"


class Kind(NamedTuple):
    """One form of secret."""

    marks: tuple[str, ...]
    """A text with none of these has no such secret. Looking for them is cheap, and most texts have none."""
    pattern: str
    """Its group is what is hidden."""


_WORDS = r"password|passphrase|token|secret|(?:api|access|secret)[_-]?key"
_MARKS = ("password", "passphrase", "token", "secret", "key")
_PARAMETER = (
    r"(?:token|access_token|id_token|refresh_token|auth|password|passwd|secret|client_secret|key|api_?key|signature|sig|code"
    r"|x-amz-signature|x-amz-security-token|x-amz-credential)"
)

URLS = (
    # user:password@ and token@. The colon before the slashes is not asked for: some messages of conda lose it. For ssh, git@ is
    # who logs in, and no secret.
    Kind(("//",), r"(?<!ssh:)//([^/\s'\"@][^/\s'\"]*)@"),
    Kind(("//",), r"//[^/\s:@]+:([^/\s@]+)@"),
    # conda's https://host/t/TOKEN/channel.
    Kind(("/t/",), r"/t/([^/\s]+(?=/)|[^/\s'\"]+)"),
    # https://host/path?token=TOKEN, as JupyterLab prints it.
    Kind(("=",), rf"(?i)[?&;]({_PARAMETER}=[^&\s#'\"]+)"),
)
KINDS = (
    *URLS,
    # password=x, "token": "x", DB_PASSWORD: x, to the end of the line. Neither sudo's NOPASSWD nor sshd's PasswordAuthentication
    # is one, nor are our own sentences on a variable of that name.
    Kind(_MARKS, rf"(?i)(?:\b|_)(?:{_WORDS}|private[_-]?key)\\?[\"']?[ \t]*[:=][ \t]*(?!(?:found|expected) )(\S.*)"),
    # `passwd: files` is a line of nsswitch.conf.
    Kind(("passwd",), r"(?i)(?:\b|_)passwd[\"']?[ \t]*=[ \t]*(\S.*)"),
    # --password x, --api-key x. What follows --private-key is a path.
    Kind(("--",), rf"(?i)(?<![\w-])--(?:[a-z0-9]{{1,20}}-){{0,3}}(?:{_WORDS})[ \t]+(\S+)"),
    Kind(("sshpass",), r"\bsshpass[ \t]+-p[ \t]*(\S+)"),
    # machine x login y password z, on one line or on several (netrc(5)).
    Kind(("login", "account"), r"\b(?:login|account)[ \t]+\S+[ \t]+password[ \t]+(\S+)"),
    Kind(("password",), r"(?m)^[ \t+-]*password[ \t]+(\S+)[ \t]*$"),
    # HTTP.
    Kind(("authorization",), r"(?i)\bauthorization\\?[\"']?[ \t]*[:=][ \t]*(?:(?:basic|bearer|token)[ \t]+)?(\S.*)"),
    Kind(("cookie",), r"(?i)\bcookie[\"']?[ \t]*:[ \t]*(\S.*)"),
    Kind(("bearer",), r"(?i)\bbearer[ \t]+(?=\S*[0-9])([a-z0-9._~+/=-]{16,})"),
    # crypt(5), $6$salt$hash and its like; argon2 of JupyterLab, and its older form.
    Kind(("$",), r"\$(?:1|2[abxy]?|5|6|7|y|gy|apr1|md5|sha1|scrypt|argon2(?:id|i|d))\$([./0-9A-Za-z$=,+*-]{8,})"),
    Kind(("sha",), r"\bsha(?:1|256|512):[0-9a-f]{12}:([0-9a-f]{40,128})"),
    # Tokens that say by their beginning whose they are: GitHub, GitLab, Hugging Face, PyPI, Slack, OpenAI, Stripe, Google, AWS,
    # age.
    Kind(("gh", "github_pat_"), r"(?<![\w-])(gh[pousr]_\w{20,}|github_pat_\w{20,})"),
    Kind(("gl",), r"(?<![\w-])(gl[a-z]{1,6}-[\w-]{16,})"),
    Kind(("hf_",), r"(?<![\w-])(hf_\w{20,})"),
    Kind(("pypi-",), r"(?<![\w-])(pypi-[\w-]{16,})"),
    Kind(("xox",), r"(?<![\w-])(xox[abeoprs]-[\w-]{10,})"),
    Kind(("sk-", "sk_", "rk_"), r"(?<![\w-])(sk-[\w-]{32,}|[sr]k_(?:live|test)_\w{16,})"),
    Kind(("aiza",), r"(?<![\w-])(AIza[\w-]{35})"),
    Kind(("akia", "asia"), r"(?<![\w-])((?:AKIA|ASIA)[0-9A-Z]{16})(?!\w)"),
    Kind(("age-secret-key-",), r"(?i)(?<![\w-])(age-secret-key-1\w{16,})"),
    # JSON web tokens: two parts of JSON and a signature.
    Kind(("eyj",), r"(?<![\w-])(eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"),
)

# A private key of PEM, OpenSSH or OpenPGP, and one of PuTTY.
_BEGIN = r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|^[ \t+-]*Private-Lines:[ \t]*[0-9]+"
_END = r"-----END (?P<private>[A-Z0-9 ]*PRIVATE KEY)?|^[ \t+-]*Private-MAC:"
# Somebody could stand `-----BEGIN PRIVATE KEY-----` above what he does not want to be seen, such as another public key.
_PUBLIC_KEY = r"(?<![\w@.-])(?:ssh-|ecdsa-sha2-|sk-)[\w@.-]+ AAAA"
_HEADER = r"(?:Proc-Type|DEK-Info|Comment|Version|Charset|Hash): "
# A line of a key has 64 or 70 characters; in a log it stands behind other words.
_KEY_MATERIAL = r"[A-Za-z0-9+/]{60}"
# What a log, a diff, YAML or a program puts around a line.
_AROUND = " \t+->|'\",\\"

# What a terminal shows of a coloured word is the word (ECMA-48, control sequences).
_COLOURS = "\x1b\\[[0-?]*[ -/]*[@-~]"

Span = tuple[int, int]


def mask(text: str, keep: int | None = None) -> str:
    """Hide what looks like a secret.

    :param keep: how much of the text to return. The rest is read all the same, so that what is cut at its end is still seen to
        be a secret.
    """
    return _hide(text, KINDS, len(text) if keep is None else keep)


def mask_urls(text: str) -> str:
    """Hide the credentials in URLs, and nothing else: for data that is compared and used, not only read."""
    return _hide(text, URLS, len(text))


def in_urls(text: str) -> list[str]:
    """The credentials in URLs."""
    return [text[start:stop] for start, stop in find(text, URLS)]


def find(text: str, kinds: Sequence[Kind] = KINDS) -> list[Span]:
    """Where the secrets are, in order; none touches another."""
    bare, places = _bare(text)
    folded = bare.casefold()
    found = []
    for kind in kinds:
        if any(map(folded.__contains__, kind.marks)):
            found += [match.span(1) for match in re.finditer(kind.pattern, bare)]
    if kinds is KINDS and ("-----" in bare or "private-" in folded):
        found += _keys(bare)
    merged = _merged(found)
    return merged if places is None else [(places[start], places[stop - 1] + 1) for start, stop in merged]


def _hide(text: str, kinds: Sequence[Kind], end: int) -> str:
    pieces, done = [], 0
    for start, stop in find(text, kinds):
        if start < end:
            pieces += [text[done:start], HIDDEN]
            done = stop
    return "".join([*pieces, text[done:end]])


def _bare(text: str) -> tuple[str, list[int] | None]:
    """The text without colours and what cannot be seen, which may stand in the middle of a word; and where its characters are."""
    odd = unseen(text, "\n\r\t")
    if not odd:
        return text, None
    coloured: set[int] = set()
    if "\x1b[" in text:
        for match in re.finditer(_COLOURS, text):
            coloured.update(range(*match.span()))
    places = [index for index, sign in enumerate(text) if sign not in odd and index not in coloured]
    return "".join([text[index] for index in places]), places


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, stop in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        elif start < stop:
            merged.append((start, stop))
    return merged


def _keys(text: str) -> Iterator[Span]:
    """The lines of private keys. Either end of a key may be missing: then its lines are those that look like it."""
    begun: int | None = None
    ended = 0
    for match in re.finditer(f"(?m)(?P<begin>{_BEGIN})|{_END}", text):
        if match["begin"]:
            if begun is not None:
                yield from _while_key(text, _lines(text, begun, match.start()))
            begun = match.end()
            continue
        if begun is not None:
            yield from (line for line in _lines(text, begun, match.start()) if not re.search(_PUBLIC_KEY, text[slice(*line)]))
        elif match["private"]:
            # Without what stands before the mark on its own line.
            before = max(text.rfind("\n", ended, match.start()), ended)
            yield from _while_key(text, reversed(list(_lines(text, ended, before))))
        begun, ended = None, match.end()
    if begun is not None:
        yield from _while_key(text, _lines(text, begun, len(text)))


def _lines(text: str, start: int, stop: int) -> Iterator[Span]:
    while start < stop:
        end = text.find("\n", start, stop)
        end = stop if end < 0 else end
        yield start, end
        start = end + 1


def _while_key(text: str, lines: Iterable[Span]) -> Iterator[Span]:
    for start, stop in lines:
        line = text[start:stop].strip(_AROUND)
        if len(line.split()) > 1 and not re.match(_HEADER, line) and not re.search(_KEY_MATERIAL, line):
            return
        yield start, stop
