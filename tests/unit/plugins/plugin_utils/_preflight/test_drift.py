# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight.drift import check

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\ns3cret\n-----END OPENSSH PRIVATE KEY-----\n"
GOOD = {
    "drift_repository": "git@git.lab.example:lab.git",
    "drift_ssh_key": KEY,
    "drift_known_hosts": "gpu-01.lab.example ssh-ed25519 AAAA",
    "drift_random_delay": "30min",
    "drift_time_limit": "1h 30min",
    "drift_alarm_after": 49,
    "drift_keep_days": 400,
}
MAIL = {"to": ["ops@lab.example"], "from": "drift@lab.example"}


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, []),
        ({"drift_repository": "/srv/git/lab.git"}, []),
        ({"drift_repository": "ssh://git@git.lab.example/lab.git"}, []),
        ({"drift_repository": "https://git.lab.example/lab.git"}, []),
        ({"drift_repository": "https://s3cret@git.lab.example/lab.git"}, ["drift_repository"]),
        ({"drift_repository": "https://ada:s3cret@git.lab.example/lab.git"}, ["drift_repository"]),
        ({"drift_repository": "ssh://ada:s3cret@git.lab.example/lab.git"}, ["drift_repository"]),
        ({"drift_repository": "/home/ada/lab"}, ["drift_repository"]),
        ({"drift_repository": "../lab"}, ["drift_repository"]),
        ({"drift_repository": "/srv/lab\nUser=root"}, ["drift_repository"]),
        ({"drift_name": "Lab\nUser=root"}, ["drift_name"]),
        ({"drift_vault_password": "s3cret\n"}, ["drift_vault_password"]),
        ({"drift_ssh_key": "s3cret"}, ["drift_ssh_key"]),
        ({"drift_ssh_key": KEY.replace("\n", " ")}, ["drift_ssh_key"]),
        ({"drift_ssh_key": KEY.replace("OPENSSH ", "")}, []),
        ({"drift_deploy_key": KEY}, []),
        ({"drift_deploy_key": "s3cret"}, ["drift_deploy_key"]),
        ({"drift_known_hosts": "\n"}, ["drift_known_hosts"]),
        ({"drift_notify_mail": MAIL}, []),
        ({"drift_notify_mail": {**MAIL, "to": []}}, ["drift_notify_mail"]),
        ({"drift_notify_mail": {**MAIL, "to": ["ops"]}}, ["drift_notify_mail"]),
        ({"drift_notify_mail": {**MAIL, "from": "a@b, c@d"}}, ["drift_notify_mail"]),
        ({"drift_notify_webhook": {"url": "https://chat.example/s3cret"}}, []),
        ({"drift_notify_webhook": {"url": "http://chat.example/s3cret"}}, ["drift_notify_webhook"]),
        ({"drift_notify_webhook": {"url": "http://chat.example/s3cret", "allow_http": True}}, []),
        ({"drift_notify_webhook": {"url": "https://a:s3cret@chat.example/"}}, ["drift_notify_webhook"]),
        ({"drift_notify_webhook": {"url": "https://[s3cret"}}, ["drift_notify_webhook"]),
        ({"drift_notify_textfile": "/var/lib/prometheus/node-exporter"}, []),
        ({"drift_notify_textfile": "node-exporter"}, ["drift_notify_textfile"]),
        ({"drift_time_limit": "soon"}, ["drift_time_limit"]),
        ({"drift_random_delay": "1h\nUser=root"}, ["drift_random_delay"]),
        ({"drift_alarm_after": 0}, ["drift_alarm_after"]),
        ({"drift_keep_days": 0}, ["drift_keep_days"]),
        ({"drift_environment": {"https_proxy": "http://proxy.lab.example:3128"}}, []),
        ({"drift_environment": {"A B": "x"}}, ["drift_environment"]),
        ({"drift_environment": {"A": "x\ny"}}, ["drift_environment"]),
    ],
)
def test_check(variables: dict[str, object], named: list[str]) -> None:
    problems = check({**GOOD, **variables})
    assert [problem.split(":")[0] for problem in problems] == named
    assert all("expected" in problem and "s3cret" not in problem for problem in problems)
