# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of a driver, whatever the packages are. Pure. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from ...module_utils._nvidia.pci import UNKNOWN
from ...module_utils._nvidia.signatures import refused
from ...module_utils._nvidia.state import version_key
from .demands import named
from .legacy import leftovers, same
from .managers import APT, Manager
from .offers import CONTAINER_TOOLKIT, CONTAINER_TOOLKIT_FIRST
from .wishes import Wishes, urls

SECURE_BOOT_STEPS = """\
Secure Boot is enabled, and the key that would sign the driver's module ({key}) is not enrolled: the kernel would refuse
the module. Nothing has been changed. Either switch Secure Boot off in the firmware's setup, or enroll a key of this host:
    {install}
    install -d -m 0755 /var/lib/dkms
    openssl req -new -x509 -newkey rsa:2048 -nodes -days 36500 -subj '/CN=DKMS module signing key/' -outform DER \\
        -keyout /var/lib/dkms/mok.key -out /var/lib/dkms/mok.pub && chmod 0600 /var/lib/dkms/mok.key
      (leave this out where both files exist)
    mokutil --import /var/lib/dkms/mok.pub     (asks for a password that is needed once)
    systemctl reboot
  then on the machine's console, in the blue screen 'MOK management' that waits a few seconds only:
    Enroll MOK > Continue > Yes > the password > Reboot
  and run the play again."""
SIGNATURE_STEPS = """\
The kernel takes signed modules only, though Secure Boot, by which it would trust a key of this host, is not on: it would
refuse the driver's module. Nothing has been changed. Either take what asks for that off the kernel's command line
(module.sig_enforce or lockdown: {take_off}),
or switch Secure Boot on in the firmware's setup. Then run the play again; with Secure Boot it tells how a key is enrolled."""


def obstacles(gpus: Iterable[Mapping[str, t.Any]], info: Mapping[str, t.Any], wishes: Wishes, manager: Manager) -> list[str]:
    """What would make the installation fail or do harm, whatever the packages are."""
    problems = [
        f"{named(gpu)} has fallen off the bus: it answers nothing; the kernel's log says more "
        "(journalctl -k -g 'Xid|fallen off'); look at its power, its cooling and its slot, and power the machine off and on"
        for gpu in gpus
        if gpu["lost"]
    ]
    problems += [
        f"GPU {gpu['address']} (10de:{gpu['device_id']}) is of a generation that this collection does not know; look up what "
        "it needs in NVIDIA's Driver Installation Guide, and set nvidia_module_flavour and nvidia_version"
        for gpu in gpus
        if gpu["architecture"] == UNKNOWN and (wishes["module_flavour"] == "auto" or not wishes["version"])
    ]
    stays = {file.path for file in leftovers(info, *urls(wishes)) if not (file.removable and wishes["clean_legacy"])}
    taken = [wishes["repository_url"]] * (wishes["source"] == "nvidia")
    taken += [wishes["container_toolkit_url"]] * wishes["container_toolkit"]
    problems += [
        f"{source['file']} names {url} already, and apt refuses a repository with two keys; remove that file, or set "
        "nvidia_clean_legacy: true"
        for url in taken
        for source in info["apt_sources"]
        if source["file"] in stays and any(same(uri, url) for uri in source["uris"])
    ]
    if manager is not APT:
        problems += [
            f"nvidia_{name}: found true; expected false, as it is installed on Debian and Ubuntu only; take it back for this host"
            for name in ("container_toolkit", "dcgm_exporter")
            if (wishes["container_toolkit"] if name == "container_toolkit" else wishes["dcgm_exporter"])
        ]
    containers = info["packages"].get(CONTAINER_TOOLKIT, "")
    if wishes["container_toolkit"] and containers and version_key(containers) < CONTAINER_TOOLKIT_FIRST:
        problems.append(
            f"found {CONTAINER_TOOLKIT} {containers}; nvidia_container_toolkit expects 1.18 or newer, which lists the GPUs for "
            f"containers by itself: apt-get purge '{CONTAINER_TOOLKIT}*' 'libnvidia-container*', and run again"
        )
    if info["driver"]["unpackaged"] and not wishes["clean_legacy"]:
        problems.append(
            "found a driver of NVIDIA's own installer; packages would overwrite parts of it; run nvidia-uninstall on the host, "
            "or set nvidia_clean_legacy: true"
        )
    # A module that is loaded has proven that its signature is accepted.
    if refused(info["secure_boot"]) and not info["driver"]["loaded"]:
        steps = SECURE_BOOT_STEPS if info["secure_boot"]["state"] == "enabled" else SIGNATURE_STEPS
        problems.append(
            steps.format(
                key=info["secure_boot"]["key"] or "none exists yet", install=manager.tools_for_keys, take_off=manager.take_off
            )
        )
    return problems
