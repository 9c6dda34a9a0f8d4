# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision about a host's NVIDIA driver, as a filter."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

from ..plugin_utils._nvidia.plan import plan
from ..plugin_utils._nvidia.wishes import Wishes

DOCUMENTATION = r"""
name: nvidia_plan
short_description: Plan the NVIDIA driver of a host
version_added: 0.1.0
description:
  - Decides from what M(openlab.research_server.nvidia_info) found, and from what is wanted, which driver a host should
    have and what is missing. Changes nothing and reads nothing.
author:
  - openlab.research_server maintainers (@openlab)
options:
  _input:
    description: The value RV(openlab.research_server.nvidia_info#module:info) of the module.
    type: dict
    required: true
  required:
    description: Whether a host without a GPU is a problem.
    type: bool
    required: true
  source:
    description: Where packages come from, V(distribution) or V(nvidia).
    type: str
    required: true
  module_flavour:
    description: Kernel modules, V(auto), V(open) or V(proprietary).
    type: str
    required: true
  version:
    description: Branch, driver version or package version to have; empty for what is installed or offered.
    type: str
    required: true
  repository_url:
    description: NVIDIA's repository.
    type: str
    required: true
  kernel_headers:
    description: Header packages, V(running), V(distribution) or V(none).
    type: str
    required: true
  cuda_toolkit:
    description: Whether the CUDA toolkit is wanted.
    type: bool
    required: true
  cuda_toolkit_package:
    description: Package of the toolkit; empty for the usual one of the source.
    type: str
    required: true
  cuda_toolkits:
    description: Versions of the toolkit to have side by side, of NVIDIA's repository.
    type: list
    elements: str
    required: true
  container_toolkit:
    description: Whether NVIDIA's Container Toolkit is wanted.
    type: bool
    required: true
  container_toolkit_url:
    description: Its repository.
    type: str
    required: true
  dcgm_exporter:
    description: Whether NVIDIA's DCGM exporter is wanted.
    type: bool
    required: true
  clean_legacy:
    description: Whether what NVIDIA's former instructions have left is removed.
    type: bool
    required: true
  upgrade_in_use:
    description: Whether a driver is replaced while processes use the GPUs.
    type: bool
    required: true
"""

EXAMPLES = r"""
- name: Show what would be installed
  ansible.builtin.debug:
    msg: "{{ (nvidia.info | openlab.research_server.nvidia_plan(**wishes)).missing }}"
"""

RETURN = r"""
_value:
  description: >-
    C(apply) (whether there is a GPU to drive), C(problems), C(summary); with a GPU also C(addresses) (of the GPUs that are
    not lent to guests), C(flavour), C(branch), C(missing) (packages to install), C(unavailable) (those that nobody offers),
    C(manager) (C(apt) or C(dnf)), C(headers) (package of the running kernel's headers), C(held) (version to hold),
    C(sources) (deb822 stanzas to add), with dnf C(lock) (lines of C(versionlock.list)), C(stream) (of NVIDIA's module) and
    C(switch) (whether another one is enabled), C(load) and C(reboot) (what the installed driver waits for), C(reload) (its
    version, where it can take another one's place) and C(initramfs) (command that rebuilds the initial RAM file systems),
    C(rebuild) (whether one is out of date), C(build) (what DKMS has to build, and for which kernel, so that the next boot
    has the driver), C(upgrade) (whether a driver is there that has to be replaced), C(current) (its version), C(way_back)
    (arguments of C(apt-get install) or C(dnf install) that bring it back), C(deferred) (why it is not replaced now),
    C(clean) (files to remove), C(uninstall) (whether NVIDIA's own uninstaller has to run) and C(notices) (what people should
    know).
  type: dict
"""


def nvidia_plan(info: Mapping[str, t.Any], **wishes: t.Any) -> dict[str, t.Any]:
    return plan(info, t.cast(Wishes, wishes))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., t.Any]]:
        return {"nvidia_plan": nvidia_plan}
