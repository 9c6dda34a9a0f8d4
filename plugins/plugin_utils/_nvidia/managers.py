# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a package manager names and holds what it installs: what differs between apt and dnf. Pure. Private to this collection.

The manager's name is also that of the folder of tasks that use it.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Callable, Iterable, Mapping

# Parts of a driver among installed packages; what else NVIDIA's repositories have goes its own way.
DRIVER = re.compile(
    r"(?:kmod-)?nvidia-(?!cuda-|container|docker)|libnvidia-(?!container)|libcuda1$|libcudadebugger1$|libnvcuvid1$|libnvoptix1$"
    r"|firmware-nvidia-|xserver-xorg-video-nvidia|xorg-x11-nvidia$"
)


class Manager(t.NamedTuple):
    name: str
    headers: str  # of a kernel: C(%s) is its release
    following: Callable[[str, str], str]  # how the package that follows the newest kernel is asked for on a running one
    one: Callable[[str, str, str], str]  # name, wish and what is offered for it -> what is asked for
    # Installed parts of the driver, and what is to be installed -> what has to be asked for on the way back.
    back: Callable[[Mapping[str, str], Iterable[str]], list[str]]
    tools_for_keys: str  # installs what Secure Boot needs
    take_off: str  # how something leaves the kernel's command line


def _apt_one(name: str, version: str, _offered: str) -> str:
    return f"{name}={version}*" if version else name


def _apt_back(parts: Mapping[str, str], wanted: Iterable[str]) -> list[str]:
    return [f"{name}={found}" for name, found in parts.items()] + [f"{name}-" for name in wanted if name not in parts]


def _dnf_one(name: str, _version: str, offered: str) -> str:
    return f"{name}-{offered}" if offered else name


def _dnf_back(parts: Mapping[str, str], _wanted: Iterable[str]) -> list[str]:
    # What is in the way goes by itself: the kinds of kernel modules conflict.
    return [f"{name}-{found}" for name, found in parts.items()]


APT = Manager(
    name="apt",
    headers="linux-headers-%s",
    following=lambda meta, _kernel: meta,
    one=_apt_one,
    back=_apt_back,
    tools_for_keys="apt-get install mokutil openssl",
    take_off="see /proc/cmdline, GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub and a reboot",
)
DNF = Manager(
    name="dnf",
    headers="kernel-devel-%s",
    # The newest would bring the newest kernel, too, and half of it.
    following=lambda meta, kernel: f"{meta}-{kernel}",
    one=_dnf_one,
    back=_dnf_back,
    tools_for_keys="dnf install mokutil openssl",
    take_off="see /proc/cmdline, grubby --update-kernel=ALL --remove-args=module.sig_enforce, and a reboot",
)


def parts(installed: Mapping[str, str]) -> dict[str, str]:
    """What is installed of a driver."""
    return {name: found for name, found in installed.items() if DRIVER.match(name)}
