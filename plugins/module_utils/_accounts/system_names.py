# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that are no person's: the users and groups of systems. Data. Private to this collection.

Of Debian's base-passwd and the packages that a server has; RHEL's setup has the same ones, and a few of its own.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Whoever is in one of these can become root, or read what only root may read.
POWERFUL_GROUPS = _names(
    "root sudo wheel admin adm disk kmem mem shadow staff docker podman lxd incus incus-admin libvirt libvirt-qemu kvm"
)
USERS = _names(
    """
    root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody _apt
    adm shutdown halt operator ftp tss polkitd dbus messagebus sshd _chrony chrony ntp postfix dnsmasq tcpdump uuidd avahi
    systemd-network systemd-resolve systemd-timesync systemd-coredump systemd-oom nginx apache mysql postgres redis munge slurm
    nvidia-persistenced fail2ban
    """
)
GROUPS = POWERFUL_GROUPS | _names(
    """
    daemon bin sys tty lp mail news uucp man proxy dialout fax voice cdrom floppy tape audio dip www-data backup operator list
    irc src utmp video sasl plugdev games users nogroup nobody input render sgx crontab ssh _ssh ssh_keys netdev ssl-cert
    systemd-journal systemd-network systemd-resolve systemd-timesync messagebus utempter lock dbus
    """
)
REFUSED = USERS | GROUPS
