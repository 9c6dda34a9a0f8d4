# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send a message through the sendmail interface of the machine's mail transfer agent. Private to this collection."""

from __future__ import annotations

import datetime
import email.message
import email.policy
import email.utils
import subprocess
import typing as t
from collections.abc import Mapping, Sequence

from ....module_utils._text.secrets import mask
from ....module_utils._text.shown import shown_line
from .errors import RejectedError, UnavailableError

SENDMAIL = "/usr/sbin/sendmail"
SECONDS = 60
# An agent says so where it cannot do anything about a message, now or later (sysexits.h).
FOR_GOOD = {64: "EX_USAGE", 65: "EX_DATAERR", 67: "EX_NOUSER", 68: "EX_NOHOST", 77: "EX_NOPERM", 78: "EX_CONFIG"}


def compose(told: Mapping[str, t.Any], *, to: Sequence[str], sender: str) -> email.message.EmailMessage:
    """Raises ValueError for an address that is none; a subject has no second line."""
    # Lines end as on this machine: that is what the interface takes.
    mail = email.message.EmailMessage(policy=email.policy.default)
    mail["From"] = sender
    mail["To"] = ", ".join(to)
    mail["Subject"] = shown_line(told["subject"])
    mail["Date"] = email.utils.format_datetime(datetime.datetime.fromisoformat(told["created"]))
    domain = sender.rpartition("@")[2].strip("> ") or "localhost"
    mail["Message-ID"] = f"<{told['id']}@{domain}>"
    # RFC 3834: no out-of-office note comes back.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Research-Server"] = shown_line(str(told.get("kind", "")))
    # No agent on the way touches a line of it, however long.
    mail.set_content(told["text"], cte="quoted-printable")
    for name in ("From", "To"):
        header: t.Any = mail[name]
        if header.defects or not header.addresses or not all(address.username for address in header.addresses):
            raise ValueError(f"{name}: found '{mail[name]}'; expected addresses such as ops@lab.example")
    return mail


def send(
    told: Mapping[str, t.Any], *, to: Sequence[str], sender: str, sendmail: str = SENDMAIL, seconds: float = SECONDS
) -> None:
    """Hand it over. Whether the agent delivers now or later is its own affair. Raises UnavailableError, RejectedError."""
    try:
        text = compose(told, to=to, sender=sender).as_bytes()
    except ValueError as error:
        raise RejectedError(str(error)) from error
    try:
        done = subprocess.run([sendmail, "-t", "-i"], input=text, capture_output=True, timeout=seconds, check=False)
    except FileNotFoundError as error:
        raise UnavailableError(
            f"found no {sendmail}; expected the sendmail interface of a mail transfer agent; "
            "install one, such as the package dma, msmtp-mta or postfix"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{sendmail} has not ended within {seconds:g} s") from error
    except OSError as error:
        raise UnavailableError(f"{sendmail}: {error.strerror}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        why = f"{sendmail} ended with {done.returncode}: {shown_line(mask(said[-1])) if said else 'it did not say why'}"
        raise (RejectedError if done.returncode in FOR_GOOD else UnavailableError)(why)
