# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has said, where Markdown is read. Pure. Private to this collection."""

from __future__ import annotations

import re

# Of Markdown, of what chats make of a text (Slack's mrkdwn, Mattermost, Rocket.Chat), and of mentions.
_MARKUP = re.compile(r"[\[\]<@!`*~#|\\]|https?:")


def span(text: str) -> str:
    """A code span (CommonMark 6.1): between more backticks than the text has in a row."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if text[:1] in ("`", " ", "") or text[-1:] in ("`", " ") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def harmless(text: str) -> str:
    """The text, as a code span if it has signs that a chat might follow. Slack reads '<!channel>' even there."""
    return span(re.sub(r"<(?=\S)", "< ", text)) if _MARKUP.search(text) else text
