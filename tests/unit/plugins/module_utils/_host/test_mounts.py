# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host import mounts


def test_mount_points_are_decoded() -> None:
    text = "36 35 98:0 / /mnt rw - ext4 /dev/sda rw\n37 35 98:0 /a /home/a\\040b rw shared:1 - ext4 /dev/sdb rw\n"
    assert mounts.mount_points(text) == ["/mnt", "/home/a b"]


ROOT = "29 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw"


@pytest.mark.parametrize(
    ("lines", "roots"),
    [
        ([ROOT], ["/"]),
        ([ROOT, "30 29 0:5 / /proc rw,nosuid - proc proc rw", "31 29 0:6 / /dev rw,nosuid - devtmpfs udev rw"], ["/"]),
        ([ROOT, "32 29 0:40 / /data rw - nfs4 server:/data rw", "33 29 0:41 / /mnt rw - fuse.sshfs x rw"], ["/"]),
        (
            [ROOT, "34 29 0:30 / /tmp rw,nosuid,nodev - tmpfs tmpfs rw", "35 29 0:31 / /var/tmp rw - tmpfs tmpfs rw"],
            ["/", "/var/tmp"],
        ),
        # The same file system again, in part and as a whole.
        ([ROOT, "36 29 254:1 /srv/a /home/a rw - ext4 /dev/vda1 rw", "37 29 254:1 / /copy rw - ext4 /dev/vda1 rw"], ["/"]),
        # Where the whole of it is without the bits, the part with them counts.
        (["38 29 254:2 / /x rw,nosuid - ext4 /dev/vdb rw", "39 29 254:2 /p /y rw - ext4 /dev/vdb rw"], ["/y"]),
        (["40 29 0:50 /@ / rw - btrfs /dev/vdc rw", "41 29 0:50 /@home /home rw - btrfs /dev/vdc rw"], ["/", "/home"]),
        (["42 29 8:1 / /a\\040b rw - xfs /dev/sda rw", ""], ["/a b"]),
    ],
)
def test_each_local_file_system_is_searched_once(lines: list[str], roots: list[str]) -> None:
    assert mounts.search_roots("\n".join(lines)) == roots
