# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module reads folders that look like a host; every reading is a real one of real files."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia import signatures
from ansible_collections.openlab.research_server.plugins.modules import nvidia_info
from ansible_collections.openlab.research_server.tests.unit.plugins import nvidia_tree

MACHINES = json.loads((Path(__file__).parents[1] / "data/nvidia/machines.json").read_text(encoding="utf-8"))["machines"]
RUNNING = os.uname().release


def put(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def nobody(*argv: str) -> str:
    raise AssertionError(argv)


def read(
    root: Path, *, available: bool = False, ignored: list[str] | None = None, ask: nvidia_info.Ask = nobody
) -> dict[str, t.Any]:
    folders = nvidia_info.Folders(root, root / "sys", root / "proc")
    found: dict[str, t.Any] = nvidia_info.read(folders, ask, ignored=ignored or [], available=available)
    return found


@pytest.mark.parametrize("name", MACHINES)
def test_gpus_of_each_machine(name: str, tmp_path: Path) -> None:
    nvidia_tree.write(tmp_path / "sys", MACHINES[name]["functions"])
    found = read(tmp_path)["gpus"]
    assert {gpu["address"]: gpu["architecture"] for gpu in found} == MACHINES[name]["gpus"]
    for gpu in found:
        assert gpu["device_id"] == MACHINES[name]["functions"][gpu["address"]][1][2:]


def test_the_bound_kernel_driver_is_told(tmp_path: Path) -> None:
    nvidia_tree.write(tmp_path / "sys", MACHINES["rtx4090-nouveau"]["functions"])
    assert read(tmp_path)["gpus"][0]["kernel_driver"] == "nouveau"


def test_an_empty_host_is_read_without_errors(tmp_path: Path) -> None:
    info = read(tmp_path, available=True)
    assert info["gpus"] == []
    assert info["driver"] == {"loaded": None, "userland": [], "unpackaged": False, "cuda": ""}
    assert info["secure_boot"] == {"state": "unsupported", "enforced": False, "key": None, "key_enrolled": False}
    assert info["health"]["consistent"]


def debian(root: Path, kernel: str) -> None:
    """What Debian's packages leave on a host, with the module built for a kernel."""
    version = "535.261.03"
    put(root / "lib/modules" / kernel / "modules.dep", "")
    (root / "usr/src" / f"linux-headers-{kernel}").mkdir(parents=True)
    folder = root / "var/lib/dkms/nvidia-current" / version / kernel / "x86_64"
    put(folder / "module/nvidia-current.ko", "")
    (root / f"var/lib/dkms/nvidia-current/kernel-{kernel}-x86_64").symlink_to(f"{version}/{kernel}/x86_64")
    libraries = root / "usr/lib/x86_64-linux-gnu/nvidia/current"
    for name in ("libcuda.so", "libnvidia-ml.so"):
        put(libraries / f"{name}.{version}", "")
        (libraries / f"{name}.1").symlink_to(f"{name}.{version}")
    put(root / "var/lib/dpkg/status", f"Package: libcuda1\nStatus: install ok installed\nVersion: {version}-1\n")


def test_a_driver_for_the_running_kernel_can_be_loaded(tmp_path: Path) -> None:
    debian(tmp_path, RUNNING)
    info = read(tmp_path)
    assert info["driver"]["userland"] == ["535.261.03"]
    assert info["kernels"] == [
        {"release": RUNNING, "running": True, "next": False, "headers": True, "module": "535.261.03", "state": "installed"}
    ]
    assert info["packages"] == {"libcuda1": "535.261.03-1"}
    assert info["health"]["loadable"]
    assert not info["health"]["reboot_required"]


def test_a_driver_that_the_kernel_refuses_can_not(tmp_path: Path) -> None:
    debian(tmp_path, RUNNING)
    put(tmp_path / "sys/module/module/parameters/sig_enforce", "Y\n")
    info = read(tmp_path)
    assert (info["secure_boot"]["state"], info["secure_boot"]["enforced"]) == ("unsupported", True)
    assert not info["health"]["loadable"]
    assert "the kernel refuses the module" in info["health"]["disagreements"][0]


def test_a_driver_for_another_kernel_needs_a_reboot(tmp_path: Path) -> None:
    debian(tmp_path, "6.1.0-50-amd64")
    assert read(tmp_path)["health"]["reboot_required"]


def test_headers_are_also_those_that_the_folder_of_modules_leads_to(tmp_path: Path) -> None:
    (tmp_path / "lib/modules/6.1.0-50-amd64/build").mkdir(parents=True)
    (tmp_path / "lib/modules/6.1.0-51-amd64").mkdir()
    found = {kernel["release"]: kernel["headers"] for kernel in read(tmp_path)["kernels"]}
    assert found == {"6.1.0-50-amd64": True, "6.1.0-51-amd64": False}


def test_a_module_that_was_built_but_not_installed_does_not_count(tmp_path: Path) -> None:
    debian(tmp_path, RUNNING)
    (tmp_path / f"var/lib/dkms/nvidia-current/kernel-{RUNNING}-x86_64").unlink()
    info = read(tmp_path)
    assert (info["kernels"][0]["state"], info["kernels"][0]["module"]) == ("built", None)
    assert not info["health"]["consistent"]


def test_a_module_that_dkms_did_not_build_counts_as_one(tmp_path: Path) -> None:
    debian(tmp_path, RUNNING)
    put(tmp_path / "lib/modules/6.8.0-90-generic/kernel/nvidia-535srv/nvidia.ko.zst", "")
    put(tmp_path / "lib/modules/6.8.0-91-generic/kernel/drivers/video/nvidia/nvidiafb.ko.zst", "")
    assert [kernel["state"] for kernel in read(tmp_path)["kernels"] if kernel["release"] != RUNNING] == ["other", None]


def test_the_loaded_module_is_compared_with_the_installed_one(tmp_path: Path) -> None:
    debian(tmp_path, RUNNING)
    put(tmp_path / "sys/module/nvidia/version", "535.183.01\n")
    put(tmp_path / "proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May\n")
    info = read(tmp_path)
    assert info["driver"]["loaded"] == {"version": "535.183.01", "flavour": "proprietary"}
    assert info["health"]["reboot_reasons"] == ["module 535.183.01 is loaded, 535.261.03 is installed"]


def test_a_driver_of_nvidias_own_installer_is_told(tmp_path: Path) -> None:
    put(tmp_path / "usr/bin/nvidia-uninstall", "")
    assert read(tmp_path)["driver"]["unpackaged"]


def test_nouveau_needs_a_reboot(tmp_path: Path) -> None:
    debian(tmp_path, RUNNING)
    put(tmp_path / "sys/module/nouveau/refcnt", "1\n")
    info = read(tmp_path)
    assert info["nouveau"]
    assert info["health"]["reboot_required"]


@pytest.mark.parametrize("place", ["firmware/efi/mok-variables/MokListRT", f"firmware/efi/efivars/MokListRT-{signatures.SHIM}"])
def test_secure_boot_and_its_keys(place: str, tmp_path: Path) -> None:
    put(tmp_path / f"sys/firmware/efi/efivars/SecureBoot-{signatures.EFI_GLOBAL}", b"\x06\0\0\0\x01")
    assert read(tmp_path)["secure_boot"] == {"state": "enabled", "enforced": False, "key": None, "key_enrolled": False}
    put(tmp_path / "var/lib/dkms/mok.pub", b"0\x82\x03\x01 a certificate")
    key = str(tmp_path / "var/lib/dkms/mok.pub")
    assert read(tmp_path)["secure_boot"] == {"state": "enabled", "enforced": False, "key": key, "key_enrolled": False}
    switch = tmp_path / f"sys/firmware/efi/efivars/MokSBStateRT-{signatures.SHIM}"
    put(switch, b"\x06\0\0\0\x01")
    assert read(tmp_path)["secure_boot"]["state"] == "disabled"
    switch.unlink()
    put(tmp_path / "sys" / place, b"list head" + b"0\x82\x03\x01 a certificate" + b"next")
    assert read(tmp_path)["secure_boot"]["key_enrolled"]


def test_sources_lists_and_system(tmp_path: Path) -> None:
    put(tmp_path / "etc/os-release", 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n')
    put(tmp_path / "etc/apt/sources.list", "deb http://mirror.example/debian bookworm main\n")
    put(tmp_path / "etc/apt/sources.list.d/own.sources", "Types: deb\nURIs: http://x/\nSuites: a\nComponents: contrib\n")
    put(tmp_path / "etc/apt/sources.list.d/off.list.save", "deb http://y b main\n")
    lists = tmp_path / "var/lib/apt/lists"
    put(lists / "mirror.example_debian_dists_bookworm_InRelease", "-----BEGIN\nOrigin: Debian\nLabel: Debian\n")
    put(
        lists / "mirror.example_debian_dists_bookworm_contrib_binary-amd64_Packages",
        "Package: nvidia-persistenced\nVersion: 535.1\n",
    )
    info = read(tmp_path, available=True, ignored=[str(tmp_path / "etc/apt/sources.list.d/own.sources")])
    assert [source["file"] for source in info["apt_sources"]] == [str(tmp_path / "etc/apt/sources.list")]
    assert info["apt_origins"] == {"mirror.example_debian_dists_bookworm": "Debian"}
    assert info["available"] == {"nvidia-persistenced": ["535.1"]}
    assert read(tmp_path)["available"] == {}
    assert info["system"] == {
        "id": "debian",
        "version": "12",
        "codename": "bookworm",
        "manager": "apt",
        "machine": os.uname().machine,
        "kernel": RUNNING,
        "initramfs": "",
        "initramfs_outdated": False,
    }


def test_files_under_former_names_are_found(tmp_path: Path) -> None:
    assert read(tmp_path)["former_files"] == []
    for path in ("etc/apt/keyrings/openlab-nvidia.asc", "etc/modprobe.d/openlab-nvidia.conf", "etc/modprobe.d/nvidia.conf"):
        put(tmp_path / path, "")
    assert read(tmp_path)["former_files"] == ["/etc/apt/keyrings/openlab-nvidia.asc", "/etc/modprobe.d/openlab-nvidia.conf"]


def test_an_initial_ram_file_system_older_than_the_settings_is_outdated(tmp_path: Path) -> None:
    image, settings = tmp_path / "boot/initrd.img-6.1.0-50-amd64", tmp_path / "etc/modprobe.d/research-server-nvidia.conf"
    put(image, "")
    assert not read(tmp_path)["system"]["initramfs_outdated"]
    put(settings, "blacklist nouveau\n")
    os.utime(image, (1000, 1000))
    os.utime(settings, (2000, 2000))
    assert read(tmp_path)["system"]["initramfs_outdated"]
    os.utime(image, (3000, 3000))
    assert not read(tmp_path)["system"]["initramfs_outdated"]


ALMA = 'NAME="AlmaLinux"\nID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.6"\nPLATFORM_ID="platform:el9"\n'


def alma(root: Path) -> None:
    """What NVIDIA's packages, EPEL's DKMS and dnf leave on a host of the RHEL family."""
    put(root / "etc/os-release", ALMA)
    put(root / "etc/dnf/modules.d/nvidia-driver.module", "[nvidia-driver]\nname=nvidia-driver\nstream=580-open\nstate=enabled\n")
    put(root / "etc/dnf/plugins/versionlock.list", "nvidia-driver-cuda-580.95.05-*\n")
    put(
        root / "etc/yum.repos.d/almalinux.repo",
        "[baseos]\nmirrorlist=https://mirrors.example/9\n[source]\nenabled=0\nbaseurl=https://s\n",
    )
    put(root / "etc/yum.repos.d/research-server-nvidia.repo", "[research-server-nvidia]\nbaseurl=https://nvidia.example/rhel9\n")
    put(root / "usr/lib64/libcuda.so.580.95.05", "")


def answers(*argv: str) -> str:
    """rpm and dnf, each asked in its own words."""
    if "rpm" in argv:
        return "kmod-nvidia-open-dkms 3:580.95.05-1.el9 noarch\n"
    assert "dnf" in argv
    return "kmod-nvidia-open-dkms 3:595.71.05-1.el9 noarch\nkmod-nvidia-open-dkms 3:580.95.05-1.el9 noarch\n"


def test_on_the_rhel_family_rpm_and_dnf_are_asked(tmp_path: Path) -> None:
    alma(tmp_path)
    own = str(tmp_path / "etc/yum.repos.d/research-server-nvidia.repo")
    info = read(tmp_path, available=True, ignored=[own], ask=answers)
    assert (info["system"]["manager"], info["system"]["version"], info["module_stream"]) == ("dnf", "9.6", "580-open")
    assert info["packages"] == {"kmod-nvidia-open-dkms": "3:580.95.05-1.el9"}
    assert info["available"] == {"kmod-nvidia-open-dkms": ["3:595.71.05-1.el9", "3:580.95.05-1.el9"]}
    assert info["driver"]["userland"] == ["580.95.05"]
    assert info["yum_repositories"] == [
        {"uris": ["https://mirrors.example/9"], "file": str(tmp_path / "etc/yum.repos.d/almalinux.repo")}
    ]
    assert info["own_files"]["/etc/dnf/plugins/versionlock.list"] == "nvidia-driver-cuda-580.95.05-*\n"
    assert read(tmp_path, ask=answers)["available"] == {}


def test_what_files_of_the_role_hold_is_told_by_their_names_of_today(tmp_path: Path) -> None:
    alma(tmp_path)
    for name in ("preferences.d/{}-nvidia", "sources.list.d/{}-nvidia.sources"):
        put(tmp_path / "etc/apt" / name.format("openlab"), "of before\n")
    put(tmp_path / "etc/apt/preferences.d/research-server-nvidia", "of today\n")
    own = read(tmp_path, ask=answers)["own_files"]
    assert own["/etc/apt/preferences.d/research-server-nvidia"] == "of today\n"
    assert own["/etc/apt/sources.list.d/research-server-nvidia.sources"] == "of before\n"


def test_images_that_nothing_rebuilds_are_never_out_of_date(tmp_path: Path) -> None:
    alma(tmp_path)
    release = "5.14.0-570.12.1.el9_6.x86_64"
    put(tmp_path / "etc/modprobe.d/research-server-nvidia.conf", "blacklist nouveau\n")
    images = {name: tmp_path / f"boot/initramfs-{name}.img" for name in (release, f"{release}kdump", "0-rescue-5fdc98415b42")}
    for image in images.values():
        put(image, "")
        os.utime(image, (0, 0))
    assert read(tmp_path, ask=answers)["system"]["initramfs_outdated"]
    os.utime(images[release])
    assert not read(tmp_path, ask=answers)["system"]["initramfs_outdated"]
