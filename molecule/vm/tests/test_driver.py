# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kernel does with the driver that the role has installed: it is loaded, and nouveau is not at any moment of a boot.

The GPU is that of another machine, and the module a stand-in without a device.
"""

from __future__ import annotations

CONFIGURATION = "/etc/modprobe.d/research-server-nvidia.conf"
DISPLAY = "/sys/bus/pci/devices/0000:00:02.0"
SYSFS = "/srv/sysfs"
VERSION = "580.95.05"


def loaded(host):
    return {line.split()[0] for line in host.check_output("cat /proc/modules").splitlines()}


def test_a_boot_has_loaded_the_driver_and_not_nouveau(host):
    assert "MODALIAS=pci:v000010DE" in host.check_output(f"udevadm info {DISPLAY}"), "a boot has asked for both"
    assert {"nvidia", "nvidia_uvm"} <= loaded(host)
    assert "nouveau" not in loaded(host)
    assert host.file("/sys/module/nvidia/version").content_string == f"{VERSION}\n"


def test_the_initial_ram_file_system_has_nouveau_and_keeps_it_off(host):
    names = host.check_output("lsinitramfs /boot/initrd.img-$(uname -r)").split()
    assert any("/nouveau.ko" in name for name in names), "as where there is a picture at boot"
    assert any(f"/{name}".endswith(CONFIGURATION) for name in names)


def test_without_the_role_it_would_be_loaded(host):
    asked = f"udevadm control --reload && udevadm trigger --action=add --settle {DISPLAY}"
    host.check_output(f"mv {CONFIGURATION} /root && {asked}")
    try:
        assert "nouveau" in loaded(host)
    finally:
        # Its time of change decides whether the initial RAM file systems are older.
        host.check_output(f"mv /root/{CONFIGURATION.rpartition('/')[2]} {CONFIGURATION} && rmmod nouveau")
    host.check_output(asked)
    assert "nouveau" not in loaded(host)


def test_what_is_told_of_it_is_true(ask):
    info = ask("nvidia_info", sysfs_root=SYSFS)["info"]
    assert info["driver"]["loaded"]["version"] == VERSION
    assert info["health"]["consistent"] and not info["health"]["reboot_required"] and not info["nouveau"]
    assert not info["secure_boot"]["enforced"]


def test_the_modules_are_taken_out_and_loaded_again(host, ask):
    before = host.check_output("ls -di /sys/module/nvidia /sys/module/nvidia_uvm")
    told = ask("nvidia_reload", sysfs_root=SYSFS, version="999.1")
    assert told["notices"] == [f"driver {VERSION} stays loaded, 999.1 is installed: the kernel has taken the old one again"]
    assert not set(before.split()[::2]) & set(host.check_output("ls -di /sys/module/nvidia /sys/module/nvidia_uvm").split()[::2])
