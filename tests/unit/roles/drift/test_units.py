# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of the role drift, as its variables make them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.openlab.research_server.plugins.plugin_utils._role_variables import RoleVariables, trusted

ROOT = Path(__file__).resolve().parents[4]
NEEDED = {"drift_repository": "/srv/git/lab.git", "drift_ssh_key": "KEY", "ansible_facts": {"os_family": "Debian"}}


def value(name, **said):
    return RoleVariables(Templar(loader=DataLoader()), ["drift"], {**NEEDED, **trusted(said)}).value(name)


def units(**said):
    return value("__drift_units", **said)


def test_words_of_people_are_words_in_a_unit():
    command = units(drift_name='100 % $HOME "x" 实验室')["-notify@.service"]["Service"]["ExecStart"]
    assert '"--lab" "100 %% $$HOME \\"x\\" 实验室"' in command
    environment = units(drift_environment={"https_proxy": 'http://p%40q "x"'})[".service"]["Service"]["Environment"]
    assert environment[-1] == '"https_proxy=http://p%%40q \\"x\\""'


def test_what_nobody_asks_for_is_not_there():
    made = units()
    assert made[".service"]["Service"]["LoadCredential"] == ["ssh_key:/etc/research-server-drift/credentials/ssh_key"]
    assert "vault" not in made[".service"]["Service"]["ExecStart"]
    assert made["-update.service"]["Service"]["LoadCredential"] == []
    assert made["-notify@.service"]["Unit"]["OnSuccess"] == []
    assert "--channel" not in made["-notify@.service"]["Service"]["ExecStart"]
    assert "--textfile" not in made["-notify@.service"]["Service"]["ExecStart"]
    assert value("__drift_timers") == {"": True, "-watch": True, "-mail": False, "-webhook": False}


def test_what_is_asked_for_is_handed_on_and_no_secret_is_in_a_unit():
    mail = {"to": ["a@lab.example", "b@lab.example"], "from": "c@lab.example"}
    said = {"drift_vault_password": "s3cret", "drift_deploy_key": "s3cret", "drift_notify_webhook": {"url": "https://x/s3cret"}}
    said |= {"drift_notify_mail": mail, "drift_digest": "monday", "drift_notify_textfile": "/x", "drift_alarm_after": 30}
    made = units(**said)
    assert made[".service"]["Service"]["ExecStart"].endswith(" --vault-password-file ${CREDENTIALS_DIRECTORY}/vault_password")
    assert "vault_password:/etc/research-server-drift/credentials/vault_password" in made[".service"]["Service"]["LoadCredential"]
    queue = made["-notify@.service"]["Service"]["ExecStart"]
    assert queue.endswith('"--digest" "monday" "--channel" "mail" "--channel" "webhook"') and '"--alarm-after" "30"' in queue
    assert made["-mail.service"]["Service"]["ExecStart"].endswith('"--to" "a@lab.example" "--to" "b@lab.example"')
    assert made["-notify@.service"]["Unit"]["OnSuccess"] == [
        f"research-server-drift-{name}.service" for name in ("mail", "webhook")
    ]
    assert "s3cret" not in str(made)
    assert value("__drift_secrets", **said)["vault_password"] == "s3cret\n"
    assert value("__drift_timers", **said)["-webhook"] is True


@pytest.mark.parametrize("unit", [".service", "-update.service", "-notify@.service", "-webhook.service"])
def test_all_but_mail_are_in_the_sandbox(unit):
    service = units()[unit]["Service"]
    assert service["NoNewPrivileges"] is True and service["ProtectSystem"] == "strict" and service["CapabilityBoundingSet"] == ""
    assert service["User"] == "research-server-drift" and service["Nice"] == 19


def test_every_answer_is_a_success_and_each_end_is_told_as_its_own():
    made = units()[".service"]
    assert made["Service"]["SuccessExitStatus"] == "2 3 4"
    # With one name for both, systemd tells neither.
    assert made["Unit"]["OnSuccess"] != made["Unit"]["OnFailure"]


def test_the_audit_knows_every_unit():
    from ansible_collections.openlab.research_server.plugins.module_utils._audit import schedules  # noqa: PLC0415

    names = yaml.safe_load((ROOT / "roles/drift/vars/main.yml").read_text())["__drift_units"]
    for name in names:
        assert any(known.fullmatch(f"/etc/systemd/system/research-server-drift{name}") for known in schedules.OURS), name
