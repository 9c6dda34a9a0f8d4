# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that would lock out who logs in by certificate. Each test leaves the server as it found it."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

# One pair is enough: the scenario `sshd` shows on both releases how a change is staged, proven and undone.
testinfra_hosts = ["docker://debian12-bastion"]

FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ssh")


def public(name):
    return (FOLDER / f"{name}.pub").read_text().strip()


def files(server):
    return server.check_output("find /etc/ssh/sshd_config.d /etc/ssh/research-server -type f -exec sha256sum {} + | sort")


def test_the_first_contact_and_the_doctor_go_through_the_door(server, ansible, tmp_path):
    limit, report = ("-l", server.backend.get_hostname()), tmp_path / "doctor.json"
    rc, text = ansible("ansible-playbook", *limit, "playbooks/bootstrap.yml")
    assert rc == 0 and "already bootstrapped" in text and "changed=0" in text, text
    # This host is ready for it or not: it was logged in to.
    _rc, text = ansible(
        "ansible-playbook", *limit, "playbooks/doctor.yml", "-e", f"doctor_report={report}", "-e", "doctor_full=true"
    )
    assert "ops, sudo is free" in text


def test_who_runs_client_config_is_told_where_it_wrote_and_for_whom(ansible):
    rc, text = ansible("ansible-playbook", "playbooks/client_config.yml")
    # Each line has a colour of its own.
    said = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())
    assert rc == 0, text
    people = ", ".join(sorted(path.name for path in (FOLDER / "clients").iterdir()))
    assert f"{FOLDER}/clients: a folder for each of {people}; all as they were." in said, text


def test_the_operators_own_key_is_not_revoked(server, again):
    before = files(server)
    rc, text = again(sshd_revoked_keys=[public("id_ed25519")])
    assert rc != 0
    assert "is among the revoked keys" in text
    assert files(server) == before


def test_an_operator_with_a_certificate_only_is_not_locked_out(server, again):
    before = files(server)
    certified = {"ansible_ssh_extra_args": f"-o CertificateFile={FOLDER}/ops_certified-cert.pub"}
    server.check_output("mv /etc/ssh/authorized_keys.d/ops /root/away")
    try:
        rc, text = again(**certified, sshd_trusted_user_ca_keys=[public("other_ca")])
        assert rc != 0
        assert "authorities that are not trusted any more" in text
        assert files(server) == before
        rc, text = again(**certified, sshd_trusted_user_ca_keys=[public("other_ca"), public("user_ca")])
        assert rc == 0, text
        assert files(server) != before
    finally:
        server.check_output("mv /root/away /etc/ssh/authorized_keys.d/ops")
    assert again()[0] == 0
    assert files(server) == before


def test_files_that_shut_certificates_out_are_undone(server, person, ansible):
    before = files(server)
    zoe = person("zoe", certificate="zoe")
    wrong = {"trusted_user_ca_keys": [public("other_ca")], "undo_after": 15}
    wrong["settings"] = {"Port": [2222], "AllowGroups": ["ssh-users"]}
    name = server.backend.get_hostname()
    module = ("-m", "openlab.research_server.sshd_config", "-a", json.dumps(wrong))
    rc, text = ansible("ansible", name, "-b", "-e", "ansible_port=2222", *module)
    assert rc == 0, text
    assert files(server) != before
    assert "Permission denied" in zoe.run(f"ssh {name} true").stderr
    # The files come back first, then sshd reads them.
    deadline = time.monotonic() + 60
    while zoe.run(f"ssh {name} true").rc != 0 and time.monotonic() < deadline:
        time.sleep(0.5)
    assert zoe.run(f"ssh {name} true").rc == 0
    assert files(server) == before
