# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that say where conda's packages come from; their argument spec is `CHANNEL_ARGUMENTS` in _conda.specification."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  channels:
    description:
      - Channels for a specification that declares none. Without them such a specification is an error.
    type: list
    elements: str
    default: []
  channel_alias:
    description:
      - URL that channel names are appended to, for example of a mirror. Without it conda's own, C(https://conda.anaconda.org).
    type: str
  custom_channels:
    description:
      - Channel names with the URL they stand for, without the name itself, as C(custom_channels) in C(.condarc).
    type: dict
    default: {}
  default_channels:
    description:
      - URLs that the channel name C(defaults) stands for. Without them conda's own.
      - The channel C(defaults) is used only by a specification that declares it.
    type: list
    elements: str
    default: []
  channel_priority:
    description:
      - V(flexible) prefers the first channel that has a package, and takes from a later one what cannot be satisfied otherwise.
        It is conda's own default, so a file means here what it means elsewhere.
      - V(strict) never takes a package from a later channel if an earlier one has any version of it, not even for a specification
        such as C(pytorch::pytorch). V(disabled) ignores the order.
    type: str
    choices: [strict, flexible, disabled]
    default: flexible
  allowlist_channels:
    description:
      - Channels that packages may come from, by name or URL; empty means all. A channel that is not among them is refused, in a
        specification and in a lock. As C(allowlist_channels) in C(.condarc).
      - What the C(.condarc) of the installation allows or denies counts as well; what one of them forbids is forbidden.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  denylist_channels:
    description: Channels that no package may come from, as C(denylist_channels) in C(.condarc).
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  exclude_newer:
    description:
      - Leaves out packages that a channel got later than this, as C(exclude_newer) of conda. A duration (V(7d), V(P7D)), a date
        (V(2026-04-01)) or a time (V(2026-04-01T12:00:00Z)). If the installation has one in its C(.condarc) too, for all, for a
        channel (C(channel_settings)) or for a package (C(exclude_newer_package)), the earlier counts. What is exempt there
        (V(false)) stays exempt.
      - It needs conda 26.9 or newer, and is refused with an older one. The packages of a lock are chosen already.
    type: str
    default: ''
    version_added: 0.2.0
  cuda:
    description:
      - CUDA that packages are chosen for, conda's virtual package C(__cuda).
      - V(auto) is what the host's driver offers, also one that is installed and waits for a reboot.
      - A version (V(12.8)) makes a host without a GPU, or with a newer driver, choose as one whose driver offers that. It may not
        be more than the host's own driver offers where the environment is built.
      - V(none) chooses as on a host without a GPU, and compares nothing with its driver.
    type: str
    default: auto
    version_added: 0.2.0
"""
