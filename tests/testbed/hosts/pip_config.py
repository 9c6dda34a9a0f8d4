# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pip's client configuration for the test servers, made from this machine's own."""

from __future__ import annotations

import ast
import configparser
import io

# Where Debian keeps the bundle of all trusted certificates; the image adds this machine's to it.
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# Settings that make sense on another machine; find-links, cache-dir and the like name files of this one.
PORTABLE = ("index-url", "extra-index-url", "trusted-host", "proxy", "default-timeout", "timeout", "retries")


def for_hosts(listing: str) -> str:
    """Turn the output of ``pip config list`` into a pip.conf for other hosts.

    Environment variables beat files, as in pip. Values that name files of this machine are dropped.
    """
    found: dict[str, str] = {}
    for line in sorted(listing.splitlines(), key=lambda text: text.startswith(":env:")):
        name, separator, value = line.partition("=")
        section, _, option = name.strip().rpartition(".")
        if separator and section in ("global", "install", ":env:") and option in PORTABLE:
            found[option] = str(ast.literal_eval(value.strip()))
    config = configparser.RawConfigParser()
    config["global"] = {"cert": CA_BUNDLE, "disable-pip-version-check": "true"}
    for option, value in found.items():
        words = [word for word in value.split() if not word.startswith(("file:", "/", "."))]
        if words:
            config["global"][option] = "\n".join(words)
    text = io.StringIO()
    config.write(text)
    return text.getvalue()
