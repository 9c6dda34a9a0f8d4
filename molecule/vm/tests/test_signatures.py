# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel that takes signed modules only refuses the driver's, which nobody has signed: who asks is told, nothing is changed.

The last of the machine's tests: it stays booted like that.
"""

from __future__ import annotations

import json

import pytest

SYSFS = "/srv/sysfs"
MODULES = ("nvidia", "nvidia_uvm")
REFUSED = "the kernel refuses the module: it takes signed ones only"


def loaded(host):
    return {line.split()[0] for line in host.check_output("cat /proc/modules").splitlines()}


def test_a_kernel_that_is_locked_down_refuses_it(host, ask):
    """As with Secure Boot; until the next boot."""
    host.check_output("rmmod nvidia_uvm nvidia")
    assert ask("nvidia_info", sysfs_root=SYSFS)["info"]["health"]["loadable"]
    host.check_output("echo integrity > /sys/kernel/security/lockdown")
    assert "Operation not permitted" in host.run("modprobe nvidia").stderr
    info = ask("nvidia_info", sysfs_root=SYSFS)["info"]
    assert info["secure_boot"]["enforced"] and not info["health"]["loadable"]


@pytest.fixture(scope="module")
def _signed_only(machine):
    machine.reboot("module.sig_enforce=1")


@pytest.mark.usefixtures("_signed_only")
class TestSignedOnly:
    def test_the_kernel_refuses_it_at_boot_and_later(self, host):
        assert host.file("/sys/module/module/parameters/sig_enforce").content_string == "Y\n"
        assert not {*MODULES, "nouveau"} & loaded(host)
        assert "rejected" in host.run("modprobe nvidia").stderr
        host.check_output("modprobe dummy && rmmod dummy")

    def test_what_is_told_of_it_is_true(self, ask):
        info = ask("nvidia_info", sysfs_root=SYSFS)["info"]
        assert info["driver"]["loaded"] is None
        assert info["secure_boot"]["enforced"] and not info["health"]["loadable"] and not info["health"]["reboot_required"]
        assert REFUSED in info["health"]["disagreements"][0]

    def test_the_role_stops_before_any_change_and_tells_the_way_out(self, site):
        done = site("--tags", "nvidia")
        assert done.returncode != 0 and "changed=0 " in done.stdout, done.stdout[-3000:]
        # Where molecule has its words on failures, in lines of a terminal.
        said = " ".join(f"{done.stdout} {done.stderr}".split())
        assert "takes signed modules only" in said and "module.sig_enforce" in said, done

    def test_the_doctor_tells_it_before(self, ansible, tmp_path):
        report = tmp_path / "doctor.json"
        done = ansible("ansible-playbook", "playbooks/doctor.yml", "-l", "research_servers", doctor_report=str(report))
        assert done.returncode != 0, done.stdout[-3000:]
        (host,) = json.loads(report.read_text())["hosts"].values()
        (finding,) = (finding for finding in host["findings"] if finding["topic"] == "gpu")
        assert finding["severity"] == "error" and "takes signed modules only" in finding["found"]

    def test_the_audit_tells_what_does_not_run(self, host, ask):
        # It looks at what the machine itself has.
        host.check_output(f"mount --bind {SYSFS}/bus/pci/devices /sys/bus/pci/devices")
        try:
            told = ask("audit", topics=["health"])
        finally:
            host.check_output("umount /sys/bus/pci/devices")
        assert any(REFUSED in notice for notice in told["notices"]), told
        assert "systemd-modules-load.service" in {finding["name"] for finding in told["findings"]}
