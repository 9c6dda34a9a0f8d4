# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts by their exact names: what of an inventory is meant, and a limit that means nothing else. Private to this collection.

To `--limit`, `!web` or `~.*` is a pattern, `@list` a file, and a group's name all its hosts. A report's names must be none of it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
from collections.abc import Iterable, Sequence

from . import programs

_PLAIN = re.compile(r"(?!-)[\w.:-]+")


class HostsError(Exception):
    """Why hosts cannot be named."""


def listed(inventories: Iterable[str], limit: str | None, extra: Sequence[str]) -> set[str]:
    """The names of the inventory's hosts that a pattern of Ansible matches. Raises HostsError.

    :param extra: further options of ansible-playbook; those that open a vault are used.
    """
    arguments = [programs.find("ansible"), "all", "--list-hosts", *_vault(extra)]
    arguments += [f"--inventory={path}" for path in inventories]
    arguments += [f"--limit={limit}"] if limit else []
    environment = {**os.environ, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true", "ANSIBLE_FORCE_COLOR": "false"}
    done = subprocess.run(arguments, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise HostsError("the inventory's hosts could not be listed; see the message of ansible above")
    # The first line counts them.
    return {line.strip() for line in done.stdout.splitlines() if line.startswith("    ")}


def configured() -> list[str]:
    """The inventories that ansible.cfg or the environment names. Raises HostsError."""
    command = [programs.find("ansible-config"), "dump", "--format=json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    try:
        settings = {entry.get("name"): entry for entry in json.loads(done.stdout)}
        found: list[str] = settings["DEFAULT_HOST_LIST"]["value"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HostsError("found no answer of ansible-config; see its message above, or name the inventory with -i") from error
    return found


def limit_to(names: Iterable[str]) -> str:
    """A pattern that matches these hosts of an inventory, all of which must be in it. Raises HostsError."""
    for name in names:
        if not _PLAIN.fullmatch(name):
            raise HostsError(
                f"found the host {name!r}; expected letters, digits and '_.:-', and no '-' before them. "
                "Ansible would take it for a pattern or an option; leave the host out with -l, or rename it in the inventory"
            )
    # With a comma, a colon does not separate names.
    return "".join(f"{name}," for name in names)


def _vault(extra: Sequence[str]) -> list[str]:
    known = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    known.add_argument("--vault-password-file", "--vault-pass-file", action="append", default=[])
    known.add_argument("--vault-id", action="append", default=[])
    options, _others = known.parse_known_args(extra)
    return [
        *(f"--vault-password-file={path}" for path in options.vault_password_file),
        *(f"--vault-id={identity}" for identity in options.vault_id),
    ]
