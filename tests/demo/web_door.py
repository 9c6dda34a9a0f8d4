# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The web door of the demo: one of its servers joins the group `proxy`, and shows people their JupyterLabs by HTTPS."""

from __future__ import annotations

import secrets
from pathlib import Path

import lab
import yaml
from debian_packages import need
from shell import ROOT, run

NAME = "lab.demo.example"
PEOPLE = ("ada", "grace")
SITE = {"name": "lab", "to": "jupyter", "path": "/user/", "auth": "basic"}
# The playbook makes the authority there, as in a lab's repository.
AUTHORITY = lab.WORK / "ca" / "ca.crt"
# What changes with the door: the firewall and fail2ban, people's JupyterLabs, and nginx.
TAGS = "access,jupyter,proxy"


def page(person: str) -> str:
    """The address of somebody's JupyterLab."""
    return f"https://{NAME}/user/{person}"


def password_file(person: str) -> Path:
    return lab.WORK / "passwords" / person


def password(person: str) -> str:
    return password_file(person).read_text(encoding="ascii").strip()


def add_to_inventory(host: lab.Host) -> None:
    """A line of the inventory for the server, and what it shows to whom."""
    inventory = yaml.safe_load(lab.HOSTS_FILE.read_text(encoding="utf-8"))
    shown = {
        "proxy_names": [NAME],
        "proxy_sites": [SITE],
        "proxy_passwords": {person: _hash(person) for person in PEOPLE},
        "proxy_ca_dir": str(AUTHORITY.parent),
    }
    inventory["proxy"] = {"hosts": {host.name: None}, "vars": shown}
    lab.HOSTS_FILE.write_text(lab.NOTE + yaml.safe_dump(inventory), encoding="utf-8")


def _hash(person: str) -> str:
    """Of a new password, which stays in a file."""
    need("openssl", "openssl")
    file = password_file(person)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_text(f"{secrets.token_urlsafe(12)}\n", encoding="ascii")
    return run(["openssl", "passwd", "-6", "-stdin"], stdin=file.read_text(encoding="ascii"), timeout=30).stdout.strip()


def how_to_open(host: lab.Host, token: str) -> str:
    """For somebody who sits in front of this machine."""
    authority, secret = (path.relative_to(ROOT) for path in (AUTHORITY, password_file(lab.RESEARCHER)))
    return f"""\
  browser     {page(lab.RESEARCHER)}/lab?token={token}
              name {lab.RESEARCHER}, password in {secret}; before that, on the machine with the browser:
              its name:  echo '{host.address} {NAME}' | sudo tee -a /etc/hosts
              trust:     import {authority} as an authority for web sites (docs/web.md, "Into the browser"), and take it out again
"""
