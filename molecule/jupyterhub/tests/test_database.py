# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People's sessions are in PostgreSQL, if the lab wants that: Debian's, on the host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from waiting import wait_until

PATIENCE = 180
DEFAULTS = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], "roles/jupyterhub/defaults/main.yml")
PASSWORD = "word: 'of' \\ the database 密码"
BY_SOCKET = "postgresql+psycopg:///jupyterhub?host=/run/postgresql"
BY_NETWORK = "postgresql+psycopg://jupyterhub@localhost/jupyterhub"
# Who runs JupyterHub has an account only while it runs, which PostgreSQL asks nss-systemd(8) for.
PREPARE = """
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get install -q -y --no-install-recommends postgresql libnss-systemd
cd /
runuser -u postgres -- createuser jupyterhub
runuser -u postgres -- createdb --owner jupyterhub jupyterhub
"""

pytestmark = pytest.mark.one_release


def with_driver():
    *others, by_pip = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))["jupyterhub_packages"]
    return [*others, {"pip": [*by_pip["pip"], "psycopg[binary]==3.2.9"]}]


def sql(host, query):
    return host.check_output("cd / && runuser -u postgres -- psql --tuples-only --no-align jupyterhub --command %s", query)


@pytest.fixture(scope="module", autouse=True)
def by_socket(host, converge):
    """The lab has another database than before; afterwards it has not."""
    host.check_output("bash -c %s", PREPARE)
    variables = {"jupyterhub_database_url": BY_SOCKET, "jupyterhub_packages": with_driver()}
    done = converge(**variables)
    assert done.ok, done.message
    yield variables
    assert converge().ok
    host.check_output("cd / && runuser -u postgres -- dropdb --force jupyterhub && runuser -u postgres -- dropuser jupyterhub")


def test_sessions_are_there(host, people):
    assert people["alice"].status("/user/alice/api/kernels") == 200
    assert set(sql(host, "select name from users").split()) == {"alice", "bob"}
    assert sql(host, "select count(*) > 1 from api_tokens") == "t"
    # Nobody knows a password: there is none.
    assert sql(host, "select rolpassword is null from pg_authid where rolname = 'jupyterhub'") == "t"
    people["bob"].get("/user/bob/logout")
    assert people["bob"].status("/user/bob/api/kernels") == 401


def test_a_restart_of_the_database_ends_no_session(host, people, visitor):
    host.check_output("systemctl restart postgresql")
    assert people["alice"].status("/user/alice/api/kernels") == 200
    assert visitor().log_in("bob").ok


def test_nothing_more_to_do(converge, by_socket):
    assert converge("--check", **by_socket).changed == 0


def test_a_password_is_seen_nowhere(host, converge, by_socket, visitor):
    sql(host, f"alter role jupyterhub password '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
    variables = {**by_socket, "jupyterhub_database_url": BY_NETWORK, "jupyterhub_database_password": PASSWORD}
    begun = host.check_output("date +%s")
    foreseen = converge("--check", "--diff", **variables)
    done = converge("--diff", **variables)
    assert done.ok and visitor().log_in("alice").ok, done.message
    # Also where it is not the one.
    sql(host, "alter role jupyterhub password 'another'")
    host.check_output("systemctl restart --no-block jupyterhub")
    refused = "password authentication failed"
    wait_until(lambda: refused in host.check_output("journalctl -u jupyterhub --since @%s", begun), PATIENCE)
    seen = host.check_output("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'; journalctl -o cat --no-pager --since @%s", begun)
    told = host.check_output("cat /etc/research-server/jupyterhub/settings.json /etc/systemd/system/jupyterhub.service")
    for text in (foreseen.text, done.text, seen, told):
        assert "of the database" not in text and "of' \\" not in text
    file = host.file("/etc/research-server/jupyterhub/database_password")
    assert (file.user, file.mode) == ("root", 0o600)
    assert converge(**by_socket).ok and not file.exists
