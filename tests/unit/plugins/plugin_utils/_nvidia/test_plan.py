# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._nvidia import demands, offers
from ansible_collections.openlab.research_server.plugins.plugin_utils._nvidia import plan as nvidia_plan
from ansible_collections.openlab.research_server.tests.unit.plugins.nvidia_host import ENABLED, gpus, host, kernel, plan

LIST_12 = {
    name: ["535.261.03-1"] for name in (*offers.DEBIAN_PACKAGES["proprietary"], "nvidia-open-kernel-dkms", "nvidia-persistenced")
} | {"linux-headers-amd64": ["6.1.176-1"], "linux-headers-6.1.0-50-amd64": ["6.1.176-1"]}


def test_without_a_gpu_there_is_nothing_to_do() -> None:
    decided = plan(host())
    assert (decided["apply"], decided["problems"]) == (False, [])
    assert decided["summary"] == "found no NVIDIA GPU on the PCI bus: nothing to do"


def test_a_required_gpu_that_is_missing_is_a_problem() -> None:
    decided = plan(host(), required=True)
    assert not decided["apply"]
    assert "nvidia_required" in decided["problems"][0]


def test_a_gpu_that_is_lent_to_a_guest_is_not_ours_to_drive() -> None:
    lent = host(gpus=gpus("2331", driver="vfio-pci"))
    assert not plan(lent)["apply"]
    assert "lent to guests" in plan(lent)["summary"]
    assert plan(lent, required=True)["problems"]


# What each GPU gets from each source: flavour, or a word of the problem.
@pytest.mark.parametrize(
    ("devices", "debian", "source", "expected"),
    [
        (["13c0"], "12", "distribution", "proprietary"),
        (["1b06"], "13", "distribution", "proprietary"),
        (["1db4"], "13", "nvidia", "proprietary"),
        (["1eb8"], "12", "distribution", "proprietary"),
        (["20b2"], "13", "distribution", "proprietary"),
        (["20b2"], "13", "nvidia", "open"),
        (["2335"], "12", "distribution", "proprietary"),
        (["2684", "15f8"], "13", "nvidia", "proprietary"),
        (["2342"], "13", "distribution", "open"),
        (["2901"], "13", "nvidia", "open"),
        (["2901"], "12", "distribution", "needs driver branch 570 or newer, found 535"),
        (["2901"], "13", "distribution", "needs driver branch 570 or newer, found 550"),
        (["1db4", "2901"], "13", "nvidia", "no driver serves all GPUs of this host together"),
        (["1023"], "12", "distribution", "is driven by branch 470 at most, found 535"),
        (["7abc"], "12", "distribution", "generation that this collection does not know"),
    ],
)
def test_flavour_follows_generation_and_branch(devices: list[str], debian: str, source: str, expected: str) -> None:
    decided = plan(host(*devices, debian=debian), source=source)
    if expected in ("open", "proprietary"):
        assert (decided["flavour"], decided["problems"]) == (expected, [])
        kernel_part = decided["missing"][-len(offers.OFFERS[source, "debian", debian].packages[expected])]
        assert kernel_part.split("=")[0] == offers.OFFERS[source, "debian", debian].packages[expected][0]
    else:
        assert any(expected in problem for problem in decided["problems"])


@pytest.mark.parametrize(
    ("device", "wishes", "problem"),
    [
        ("1b06", {"module_flavour": "open"}, "not driven by the open kernel modules"),
        ("2901", {"module_flavour": "proprietary", "source": "nvidia"}, "not driven by the proprietary kernel modules"),
        ("1db4", {"version": "590", "source": "nvidia"}, "driven by branch 580 at most, found 590"),
        ("1db4", {"version": "580.95.05", "source": "nvidia"}, None),
        ("7abc", {"version": "610", "module_flavour": "open", "source": "nvidia"}, None),
        ("7abc", {"version": "610", "source": "nvidia"}, "generation that this collection does not know"),
    ],
)
def test_wishes_that_cannot_be_had_are_problems(device: str, wishes: dict[str, t.Any], problem: str | None) -> None:
    problems = plan(host(device, debian="13"), **wishes)["problems"]
    assert (problems == []) if problem is None else (len(problems) == 1 and problem in problems[0])


def test_old_gpus_get_the_last_branch_that_drives_them_from_nvidia() -> None:
    offered = {
        "nvidia-kernel-dkms": ["590.44.01-1", "580.95.05-1", "580.65.06-1"],
        "nvidia-driver-cuda": ["590.44.01-1", "580.95.05-1"],
    }
    decided = plan(host("1db4", debian="13", available=offered), source="nvidia")
    assert decided["branch"] == 580
    assert decided["missing"][-2:] == ["nvidia-kernel-dkms=580*", "nvidia-driver-cuda=580*"]
    assert decided["held"] == "580.95.05"
    assert plan(host("20b2", debian="13"), source="nvidia")["missing"][-1] == "nvidia-driver-cuda"
    # Nobody offers what the K40 needs: it is refused, whatever the other is given.
    assert plan(host("1db4", "1023", debian="13"), source="nvidia")["branch"] == demands.OLDEST


def test_a_fresh_host_gets_driver_headers_and_components() -> None:
    source = {**ENABLED[0], "components": ["main"]}
    decided = plan(host("20b2", apt_sources=[source]))
    assert decided["missing"] == [
        "linux-headers-6.1.0-50-amd64",
        "linux-headers-amd64",
        "nvidia-persistenced",
        *offers.DEBIAN_PACKAGES["proprietary"],
    ]
    assert decided["unavailable"] == decided["missing"]
    assert decided["sources"][0]["Components"] == "contrib non-free non-free-firmware"
    assert decided["held"] == ""


def test_what_apt_offers_is_held_before_it_is_installed() -> None:
    decided = plan(host("20b2", available=LIST_12))
    assert (decided["unavailable"], decided["held"]) == ([], "535.261.03")
    decided = plan(host("20b2", available=LIST_12), version="550")
    assert "nvidia-kernel-dkms 550" in decided["unavailable"]


def test_a_converged_host_keeps_its_version_whatever_is_offered() -> None:
    packages = {name: versions[0] for name, versions in LIST_12.items()}
    kernels = [kernel("6.1.0-50-amd64", running=True, next=True, headers=True, module="535.261.03", state="installed")]
    newer = {name: ["535.274.02-1", *versions] for name, versions in LIST_12.items()}
    decided = plan(host("20b2", packages=packages, kernels=kernels, available=newer))
    assert (decided["missing"], decided["held"]) == ([], "535.261.03")


def test_a_wished_version_replaces_all_parts_of_the_driver() -> None:
    packages = {name: versions[0] for name, versions in LIST_12.items()}
    available = {name: ["535.274.02-1", *versions] for name, versions in LIST_12.items()}
    decided = plan(host("20b2", packages=packages, available=available), version="535.274.02")
    assert decided["missing"] == [f"{name}=535.274.02*" for name in offers.DEBIAN_PACKAGES["proprietary"]]
    assert (decided["unavailable"], decided["held"]) == ([], "535.274.02")


BEFORE = {
    "nvidia-kernel-dkms": "535.261.03-1",
    "libcuda1": "535.261.03-1",
    "nvidia-persistenced": "535.171.04-1",
    "libnvidia-ml1": "535.261.03-1",
    "nvidia-cuda-toolkit": "11.8-1",
    "nvidia-container-toolkit": "1.17-1",
    "linux-headers-amd64": "6.1.176-1",
}


def test_the_way_back_names_every_part_of_the_driver_and_what_was_not_there() -> None:
    decided = plan(host("20b2", packages=BEFORE), version="580", source="nvidia")
    assert (decided["upgrade"], decided["current"]) == (True, "535.261.03")
    assert decided["way_back"] == [
        "nvidia-kernel-dkms=535.261.03-1",
        "libcuda1=535.261.03-1",
        "nvidia-persistenced=535.171.04-1",
        "libnvidia-ml1=535.261.03-1",
        "nvidia-kernel-open-dkms-",
        "nvidia-driver-cuda-",
    ]
    first = plan(host("20b2"), version="580", source="nvidia")
    assert (first["upgrade"], first["way_back"]) == (False, [])


def test_a_driver_is_not_replaced_under_processes_that_use_it() -> None:
    processes = [{"pid": 7, "user": "alice", "program": "python"}]
    offered = {"nvidia-kernel-open-dkms": ["580.95.05-1"], "nvidia-driver-cuda": ["580.95.05-1"]}
    there = [kernel("6.1.0-50-amd64", running=True, headers=True)]
    info = host("20b2", packages=BEFORE, processes=processes, available=offered, kernels=there)
    decided = plan(info, version="580", source="nvidia")
    assert (decided["missing"], decided["held"]) == ([], "535.261.03")
    assert "python of alice (7)" in decided["deferred"]
    assert decided["notices"] == [decided["deferred"]]
    # That it cannot be had is told all the same.
    assert plan({**info, "available": {}}, version="580", source="nvidia")["unavailable"]
    forced = plan(info, version="580", source="nvidia", upgrade_in_use=True)
    assert (forced["deferred"], forced["held"]) == ("", "580.95.05")
    assert forced["missing"] == ["nvidia-kernel-open-dkms=580*", "nvidia-driver-cuda=580*"]
    # Where nothing is replaced nobody is in the way.
    assert plan(host("20b2", processes=processes))["missing"]
    part = plan(host("20b2", packages=BEFORE, processes=processes))
    assert (part["upgrade"], part["deferred"]) == (False, "")
    assert "nvidia-smi" in part["missing"] and "libcuda1" not in part["missing"]


@pytest.mark.parametrize(
    ("manager", "told"),
    [
        ({}, "found none"),
        ({"nvidia-fabricmanager-535": "535.261.03-1"}, None),
        ({"nvidia-fabricmanager": "535.183.06-1"}, "found nvidia-fabricmanager 535.183.06"),
        ({"nvidia-fabricmanager-dev": "535.261.03-1"}, "found none"),
    ],
)
def test_nvswitches_need_a_fabric_manager_of_the_drivers_version(manager: dict[str, str], told: str | None) -> None:
    packages = {name: versions[0] for name, versions in LIST_12.items()} | manager
    driver = {"loaded": None, "userland": ["535.261.03"], "unpackaged": False}
    notices = plan(host("20b2", packages=packages, driver=driver, nvswitches=["0000:c4:00.0"]))["notices"]
    assert (
        (notices == []) if told is None else (len(notices) == 1 and told in notices[0] and "version, 535.261.03;" in notices[0])
    )
    assert plan(host("20b2", packages=packages, driver=driver))["notices"] == []


@pytest.mark.parametrize(
    ("wish", "there", "expected"),
    [
        ("running", False, ["linux-headers-6.1.0-50-amd64", "linux-headers-amd64"]),
        ("running", True, ["linux-headers-amd64"]),
        ("distribution", False, ["linux-headers-amd64"]),
        ("none", False, []),
    ],
)
def test_headers(wish: str, there: bool, expected: list[str]) -> None:
    kernels = [kernel("6.1.0-50-amd64", running=True, headers=there)]
    decided = plan(host("20b2", kernels=kernels), kernel_headers=wish)
    assert [name for name in decided["missing"] if name.startswith("linux-headers")] == expected


@pytest.mark.parametrize("wish", ["running", "distribution", "none"])
def test_headers_of_the_next_kernel_that_somebody_removed_are_installed_again(wish: str) -> None:
    kernels = [kernel("6.1.0-50-amd64", running=True, headers=True), kernel("6.1.0-51-amd64", next=True)]
    wanted = ["linux-headers-6.1.0-51-amd64"] if wish != "none" else []
    info = host("20b2", kernels=kernels, packages={"linux-headers-amd64": "6.1.176-1"})
    assert [name for name in plan(info, kernel_headers=wish)["missing"] if name.startswith("linux-headers")] == wanted
    # On a fresh host the package that follows the newest kernel brings them.
    assert "linux-headers-6.1.0-51-amd64" not in plan(host("20b2", kernels=kernels), kernel_headers=wish)["missing"]


@pytest.mark.parametrize(
    ("state", "built"), [(None, True), ("failed", True), ("built", True), ("other", False), ("installed", False)]
)
def test_the_module_of_the_installed_version_is_built_for_the_kernel_that_boots_next(state: str | None, built: bool) -> None:
    following = kernel("6.1.0-51-amd64", next=True, headers=True, state=state, module="535.1.1" if state == "installed" else None)
    driver = {"loaded": None, "userland": ["535.1.1"], "unpackaged": False}
    dkms = ["nvidia-current/470.1.1", "nvidia-current/535.1.1"]
    decided = plan(host("20b2", kernels=[kernel("6.1.0-50-amd64", running=True), following], driver=driver, dkms=dkms))
    assert decided["build"] == ([["nvidia-current/535.1.1", "6.1.0-51-amd64"]] if built else [])


def test_the_toolkit_comes_only_when_asked_for() -> None:
    assert not any("cuda-toolkit" in name for name in plan(host("20b2"))["missing"])
    assert "nvidia-cuda-toolkit" in plan(host("20b2"), cuda_toolkit=True)["missing"]
    assert "cuda-toolkit" in plan(host("20b2"), cuda_toolkit=True, source="nvidia")["missing"]
    wished = plan(host("20b2"), cuda_toolkit=True, source="nvidia", cuda_toolkit_package="cuda-toolkit-12-8")
    assert "cuda-toolkit-12-8" in wished["missing"]
    several = plan(host("20b2"), cuda_toolkits=["12.8", "13.0"], source="nvidia")["missing"]
    assert [name for name in several if "toolkit" in name] == ["cuda-toolkit-12-8", "cuda-toolkit-13-0"]


@pytest.mark.parametrize(
    ("state", "enrolled", "blocked"),
    [("enabled", False, True), ("enabled", True, False), ("disabled", False, False), ("unsupported", False, False)],
)
def test_secure_boot_stops_unless_the_key_is_enrolled(state: str, enrolled: bool, blocked: bool) -> None:
    secure_boot = {
        "state": state,
        "enforced": False,
        "key": "/var/lib/dkms/mok.pub" if enrolled else None,
        "key_enrolled": enrolled,
    }
    problems = plan(host("20b2", secure_boot=secure_boot))["problems"]
    assert bool(problems) is blocked
    if blocked:
        assert "mokutil --import /var/lib/dkms/mok.pub" in problems[0]
        assert "Enroll MOK" in problems[0]


@pytest.mark.parametrize("state", ["disabled", "unsupported"])
def test_so_does_a_kernel_that_takes_signed_modules_only(state: str) -> None:
    secure_boot = {"state": state, "enforced": True, "key": None, "key_enrolled": False}
    (problem,) = plan(host("20b2", secure_boot=secure_boot))["problems"]
    assert "module.sig_enforce" in problem and "mokutil" not in problem


def test_secure_boot_does_not_stop_a_host_whose_driver_is_loaded() -> None:
    secure_boot = {"state": "enabled", "enforced": True, "key": None, "key_enrolled": False}
    driver = {"loaded": {"version": "535.1.1", "flavour": "open"}, "userland": ["535.1.1"], "unpackaged": False}
    assert plan(host("20b2", secure_boot=secure_boot, driver=driver))["problems"] == []


def test_a_driver_of_nvidias_own_installer_is_not_overwritten() -> None:
    driver = {"loaded": None, "userland": ["535.1.1"], "unpackaged": True}
    assert "nvidia-uninstall" in plan(host("20b2", driver=driver))["problems"][0]
    cleaned = plan(host("20b2", driver=driver), clean_legacy=True)
    assert (cleaned["problems"], cleaned["uninstall"]) == ([], True)
    assert not plan(host("20b2"), clean_legacy=True)["uninstall"]


def test_secure_boot_does_not_matter_without_a_gpu() -> None:
    secure_boot = {"state": "enabled", "enforced": True, "key": None, "key_enrolled": False}
    assert plan(host(secure_boot=secure_boot))["problems"] == []


def test_a_second_file_for_nvidias_repository_is_a_problem() -> None:
    url = "https://nvidia.example/debian12/x86_64"
    old = {"uris": [f"{url}/"], "suites": ["/"], "components": [], "file": "/etc/apt/sources.list.d/cuda.list"}
    problems = plan(host("20b2", apt_sources=[old]), source="nvidia")["problems"]
    assert len(problems) == 1
    assert "/etc/apt/sources.list.d/cuda.list" in problems[0]
    assert plan(host("20b2", apt_sources=[old]), source="distribution")["problems"] == []
    cleaned = plan(host("20b2", apt_sources=[old]), source="nvidia", clean_legacy=True)
    assert (cleaned["problems"], cleaned["clean"], cleaned["notices"]) == ([], ["/etc/apt/sources.list.d/cuda.list"], [])
    other = {**old, "uris": ["https://other.example"]}
    mixed = plan(host("20b2", apt_sources=[old, other]), source="nvidia", clean_legacy=True)
    assert (len(mixed["problems"]), mixed["clean"]) == (1, [])


def test_a_platform_without_packages_is_a_problem() -> None:
    info = host("20b2")
    info["system"] = {**info["system"], "id": "rocky", "version": "9.4"}
    decided = plan(info)
    assert not decided["apply"]
    assert "rocky 9.4" in decided["problems"][0]


def test_ubuntu_packages_carry_the_branch() -> None:
    info = host("20b2")
    info["system"] = {**info["system"], "id": "ubuntu", "version": "24.04", "codename": "noble"}
    decided = plan(info)
    assert decided["missing"][-2:] == ["nvidia-headless-580-server-open", "nvidia-utils-580-server"]
    assert plan(info, version="535")["missing"][-2:] == ["nvidia-headless-535-server=535*", "nvidia-utils-535-server=535*"]


def test_the_summary_names_what_is_wrong() -> None:
    health = {
        "consistent": False,
        "disagreements": ["the loaded module is 535.1.1, the libraries are 550.1.1"],
        "reboot_required": True,
        "reboot_reasons": ["module 535.1.1 is loaded, 550.1.1 is installed"],
        "loadable": False,
        "reloadable": "550.1.1",
        "next_boot": ["kernel b boots next, without the driver"],
    }
    driver = {"loaded": {"version": "535.1.1", "flavour": "open"}, "userland": ["550.1.1"], "unpackaged": False}
    decided = plan(host("20b2", health=health, driver=driver))
    assert decided["summary"] == (
        "1 NVIDIA GPU(s), ampere: driver 535.1.1 (open) is loaded; the loaded module is 535.1.1, the libraries are 550.1.1; "
        "kernel b boots next, without the driver; "
        "reboot required: module 535.1.1 is loaded, 550.1.1 is installed"
    )
    assert decided["reboot"]
    assert decided["reload"] == "550.1.1"


@pytest.mark.parametrize(
    ("userland", "loaded", "system", "source", "version", "expected"),
    [
        ([], None, ("debian", "13"), "distribution", "", "550"),
        ([], None, ("debian", "12"), "nvidia", "", ""),  # the newest, whatever that is
        ([], None, ("debian", "12"), "nvidia", "580", "580"),
        (["550.163.01"], None, ("debian", "13"), "distribution", "", "550.163.01"),
        (["550.163.01"], "535.261.03", ("debian", "13"), "distribution", "", "550.163.01"),  # waits for a reboot
        ([], "550.163.01", ("debian", "13"), "", "", "550.163.01"),
        (["550.163.01"], "550.163.01", ("debian", "13"), "nvidia", "580.95.05", "580.95.05"),  # will be renewed
        (["580.95.05"], "580.95.05", ("debian", "13"), "nvidia", "580", "580.95.05"),
        ([], None, ("fedora", "43"), "distribution", "", ""),
        ([], None, ("debian", "13"), "", "", ""),  # nobody installs one
    ],
)
def test_the_driver_that_a_host_will_have(
    userland: list[str], loaded: str | None, system: tuple[str, str], source: str, version: str, expected: str
) -> None:
    info = {"driver": {"userland": userland, "loaded": {"version": loaded} if loaded else None}}
    assert nvidia_plan.driver_to_be(info, system, source, version) == expected


CONTAINERS = "https://nvidia.github.io/libnvidia-container/stable/deb/amd64"


def test_the_container_toolkit_is_one_more_package() -> None:
    decided = plan(host("20b2", available=LIST_12), container_toolkit=True)
    assert "nvidia-container-toolkit" in decided["missing"]
    assert decided["unavailable"] == ["nvidia-container-toolkit"]
    assert "nvidia-container-toolkit" not in plan(host("20b2"))["missing"]


def test_a_container_toolkit_that_lists_no_gpus_by_itself_is_a_problem() -> None:
    (problem,) = plan(host("20b2", packages={"nvidia-container-toolkit": "1.17.8-1"}), container_toolkit=True)["problems"]
    assert "found nvidia-container-toolkit 1.17.8-1" in problem
    for version, wish in (("1.18.0-1", True), ("1.17.8-1", False)):
        assert plan(host("20b2", packages={"nvidia-container-toolkit": version}), container_toolkit=wish)["problems"] == []


def test_the_container_toolkits_repository_with_another_key_is_a_problem() -> None:
    theirs = {"file": "/etc/apt/sources.list.d/nvidia-container-toolkit.list", "suites": ["/"], "components": []}
    info = host("20b2", apt_sources=[*ENABLED, {**theirs, "uris": [CONTAINERS.replace("amd64", "$(ARCH)")]}])
    wish = {"container_toolkit": True, "container_toolkit_url": CONTAINERS}
    (problem,) = plan(info, **wish)["problems"]
    assert problem.startswith("/etc/apt/sources.list.d/nvidia-container-toolkit.list names https://nvidia.github.io/")
    decided = plan(info, **wish, clean_legacy=True)
    assert (decided["problems"], decided["clean"]) == ([], ["/etc/apt/sources.list.d/nvidia-container-toolkit.list"])
    assert plan(info)["problems"] == plan(info)["notices"] == []


def nvidias(*versions: str, **installed: str) -> dict[str, t.Any]:
    """A host with an A100, NVIDIA's repository with these drivers, and packages."""
    names = ("nvidia-kernel-open-dkms", "nvidia-driver-cuda")
    listed = {"linux-headers-amd64": ["6.1"], "linux-headers-6.1.0-50-amd64": ["6.1"], "nvidia-persistenced": ["1"]}
    pins = {f"nvidia-driver-pinning-{number}": [f"{number}-1"] for number in (580, 590, 595)}
    packages = {name.replace("_", "-"): version for name, version in installed.items()}
    return host("20b2", available={**listed, **pins, **{name: list(versions) for name in names}}, packages=packages)


@pytest.mark.parametrize(
    ("version", "pins"),
    [("", ["nvidia-driver-pinning-595"]), ("590", ["nvidia-driver-pinning-590"]), ("580", []), ("580.95.05", [])],
)
def test_from_branch_590_on_nvidias_own_pin_goes_with_the_branch(version: str, pins: list[str]) -> None:
    decided = plan(nvidias("595.71.05-1", "590.44.01-1", "580.95.05-1"), source="nvidia", version=version)
    assert [name for name in decided["missing"] if "pinning" in name] == pins
    assert decided["unavailable"] == []


def test_a_distribution_pins_nothing_and_what_is_not_known_yet_is_not_pinned() -> None:
    assert not any("pinning" in name for name in plan(host("20b2", available=LIST_12), version="595")["missing"])
    assert not any("pinning" in name for name in plan(nvidias(), source="nvidia")["missing"])


def test_another_pin_gives_way_and_comes_back_with_its_driver() -> None:
    there = {"nvidia_kernel_open_dkms": "590.44.01-1", "nvidia_driver_cuda": "590.44.01-1", "nvidia_driver_pinning_590": "590-1"}
    decided = plan(nvidias("595.71.05-1", "590.44.01-1", "580.95.05-1", **there), source="nvidia", version="595")
    assert "nvidia-driver-pinning-595" in decided["missing"]
    assert {"nvidia-driver-pinning-590=590-1", "nvidia-driver-pinning-595-"} <= set(decided["way_back"])
    older = plan(nvidias("595.71.05-1", "590.44.01-1", "580.95.05-1", **there), source="nvidia", version="580")
    assert "nvidia-driver-pinning-580" in older["missing"]


def test_an_upgrade_that_is_put_off_moves_no_pin() -> None:
    there = {"nvidia_kernel_open_dkms": "590.44.01-1", "nvidia_driver_cuda": "590.44.01-1", "nvidia_driver_pinning_590": "590-1"}
    info = nvidias("595.71.05-1", "590.44.01-1", **there)
    info["processes"] = [{"pid": 17, "user": "ada", "program": "python3"}]
    decided = plan(info, source="nvidia", version="595")
    assert decided["deferred"]
    assert not any("pinning" in name for name in decided["missing"])


def test_the_exporter_of_metrics_is_one_more_package() -> None:
    assert "datacenter-gpu-manager-exporter" in plan(nvidias("595.71.05-1"), source="nvidia", dcgm_exporter=True)["unavailable"]
    assert "datacenter-gpu-manager-exporter" not in plan(nvidias("595.71.05-1"), source="nvidia")["missing"]
