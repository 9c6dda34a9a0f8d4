# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of systemd's directives: one that it cannot read it ignores, and the limit is not there. Pure.

Private to this collection.

Forms: systemd.resource-control(5), systemd.exec(5), systemd.time(7), and parse_size() and parse_sec() of systemd.
"""

from __future__ import annotations

import re
import typing as t

# ASCII alone: Python's \d and \s are digits and blanks of all scripts.
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
# Each unit once, the larger ones first, as in 1G 512M.
_SIZE = "(?=[0-9])" + "".join(rf"(?:{_NUMBER}[ \t]*{unit}[ \t]*)?" for unit in "EPTGMK") + rf"(?:{_NUMBER}[ \t]*B?)?"
_PERCENT = r"[0-9]+(?:\.[0-9]{1,2})?%"
_SHARE = r"(?:100(?:\.00?)?|[0-9]{1,2}(?:\.[0-9]{1,2})?)%"
_SOME = r"(?=.*[1-9])"
_UNIT = r"(?:us|usec|µs|ms|msec|s|sec|seconds?|m|min|minutes?|h|hr|hours?|d|days?|w|weeks?|M|months?|y|years?)"
_TIME = rf"(?:{_NUMBER}[ \t]*{_UNIT}[ \t]*)*{_NUMBER}[ \t]*{_UNIT}?"
_LIMIT = rf"(?:infinity|{_SIZE})(?::(?:infinity|{_SIZE}))?"


class Form(t.NamedTuple):
    """What one kind of directive takes."""

    pattern: re.Pattern[str]
    expected: str


SIZE = Form(
    re.compile(rf"infinity|{_SHARE}|{_SIZE}"),
    "a size such as 64G (K, M, G or T, no B after it), a percentage up to 100% or 'infinity'",
)
MOST = Form(re.compile(rf"infinity|{_SOME}(?:{_SHARE}|{_SIZE})"), f"{SIZE.expected}, and not 0")
QUOTA = Form(re.compile(rf"{_SOME}{_PERCENT}"), "a percentage of one processor such as 800%")
COUNT = Form(re.compile(rf"infinity|{_SOME}{_SHARE}|[1-9][0-9]*"), "a whole number, a percentage up to 100% or 'infinity'")
WEIGHT = Form(re.compile(r"idle|[1-9][0-9]{0,3}|10000"), "a whole number from 1 to 10000")
TIME = Form(re.compile(rf"infinity|{_TIME}"), "a time such as 90 (seconds), 5min or 1h 30min")
LIMIT = Form(re.compile(_LIMIT), "a number, 'infinity', or two of them with a colon between")
FORMS = {
    **dict.fromkeys(("MemoryMax", "MemoryHigh"), MOST),
    **dict.fromkeys(("MemoryLow", "MemoryMin", "MemorySwapMax", "MemoryZSwapMax"), SIZE),
    "CPUQuota": QUOTA,
    "TasksMax": COUNT,
    **dict.fromkeys(("CPUWeight", "IOWeight"), WEIGHT),
    **dict.fromkeys(("CPUQuotaPeriodSec", "RestartSec", "RuntimeMaxSec", "TimeoutAbortSec", "TimeoutSec"), TIME),
    **dict.fromkeys(("TimeoutStartSec", "TimeoutStopSec", "WatchdogSec", "LimitCPU"), TIME),
    **dict.fromkeys(("LimitAS", "LimitCORE", "LimitDATA", "LimitFSIZE", "LimitMEMLOCK", "LimitNOFILE", "LimitNPROC"), LIMIT),
    **dict.fromkeys(("LimitRSS", "LimitSTACK"), LIMIT),
}


def problem(directive: str, value: t.Any) -> str:
    """What is wrong with a value, without the name of the variable; empty if systemd reads it, or the directive is no limit."""
    form = FORMS.get(directive)
    # None takes a directive of the role away; an empty value is systemd's own way to say "none".
    if form is None or value is None or value == "":
        return ""
    if not isinstance(value, bool) and form.pattern.fullmatch(str(value).strip(" \t")):
        return ""
    return f"found {value!r}; expected {form.expected}; systemd would ignore it, and there would be no such limit"
