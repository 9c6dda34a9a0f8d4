# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a kernel takes a module that nobody has signed for it. Reads files only. Private to this collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

from .reading import text

EFI_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
SHIM = "605dab50-e046-4300-abb6-3dd810dd8b23"
IMAGE_SECURITY = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
# Certificate that DKMS signs with: its own on Debian and RHEL, the one of shim-signed on Ubuntu.
CERTIFICATES = ("var/lib/shim-signed/mok/MOK.der", "var/lib/dkms/mok.pub")


def read_secure_boot(root: Path, sysfs: Path) -> dict[str, t.Any]:
    """What RETURN of nvidia_info describes as C(secure_boot)."""
    variables = sysfs / "firmware/efi/efivars"
    files = (
        sysfs / "firmware/efi/mok-variables/MokListRT",
        variables / f"MokListRT-{SHIM}",
        variables / f"db-{IMAGE_SECURITY}",
    )
    key = next((root / name for name in CERTIFICATES if (root / name).is_file()), None)
    lists = [content for content in map(raw, files) if content]
    return {
        "state": state_of(raw(variables / f"SecureBoot-{EFI_GLOBAL}"), raw(variables / f"MokSBStateRT-{SHIM}")),
        "enforced": enforced(text(sysfs / "module/module/parameters/sig_enforce"), text(sysfs / "kernel/security/lockdown")),
        "key": str(key) if key else None,
        "key_enrolled": key_enrolled(raw(key) if key else None, lists),
    }


def raw(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def state_of(variable: bytes | None, unchecked: bytes | None = None) -> str:
    """State of Secure Boot from efivarfs files: four bytes of attributes, then 0 or 1.

    C(variable) is ``SecureBoot``, C(unchecked) shim's ``MokSBStateRT``, with which an owner switches validation off.
    """
    if variable is None:
        return "unsupported"
    checked = variable[4:5] == b"\x01" and (unchecked or b"")[4:5] != b"\x01"
    return "enabled" if checked else "disabled"


def enforced(parameter: str, lockdown: str) -> bool:
    """Whether the kernel asks for signatures: C(module.sig_enforce), or its lockdown, whose choice is in brackets."""
    return parameter.strip() == "Y" or re.search(r"\[(?:integrity|confidentiality)\]", lockdown) is not None


def key_enrolled(certificate: bytes | None, enrolled: Sequence[bytes]) -> bool:
    """Whether a DER certificate is in one of the EFI signature lists that shim passed on (MokListRT, db)."""
    return bool(certificate) and any(t.cast(bytes, certificate) in keys for keys in enrolled)


def refused(secure_boot: Mapping[str, t.Any]) -> bool:
    """Whether the kernel would refuse a module that DKMS has built."""
    return (secure_boot["state"] == "enabled" or secure_boot["enforced"]) and not secure_boot["key_enrolled"]
