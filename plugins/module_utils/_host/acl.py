# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom an access list (acl(5)) lets at a file, besides its owner and its group. Private to this collection.

In the mode all that it can give shows as the right of the group, whoever that is: root's, mostly.
"""

from __future__ import annotations

import contextlib
import os
import struct

ATTRIBUTE = "system.posix_acl_access"
READ, WRITE = 4, 2
# Tags of include/uapi/linux/posix_acl.h.
_USER, _GROUP, _MASK = 0x02, 0x08, 0x10
_KINDS = {_USER: "user", _GROUP: "group"}


def named(path: str, right: int) -> list[tuple[str, int]]:
    """(user or group, number) of those who have a right by name, root aside."""
    with contextlib.suppress(OSError, struct.error):
        return parse(os.getxattr(path, ATTRIBUTE, follow_symlinks=False), right)
    return []


def parse(data: bytes, right: int) -> list[tuple[str, int]]:
    """The same, of a struct posix_acl_xattr_header and its entries."""
    entries = list(struct.iter_unpack("<HHI", data[4:]))
    mask = next((allowed for tag, allowed, _number in entries if tag == _MASK), 7)
    return [(_KINDS[tag], number) for tag, allowed, number in entries if tag in _KINDS and number and allowed & mask & right]
