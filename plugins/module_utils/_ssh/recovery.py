# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command for the console that opens the way in which a host had before it was hardened. Pure. Private to this collection."""

from __future__ import annotations

from .._firewall import rules as firewall_rules
from . import port as ssh_port

COMMAND = "/usr/local/sbin/research-server-open-door"

# The drop-in goes, since it would win; keys are looked for in both places that the role accounts knows. What is left is the
# distribution's own configuration.
_TEXT = """\
#!/bin/sh
# {header}
# For the console, when nobody gets in over SSH: opens the way in that this host had before, and says what it did.
set -u
[ "$(id -u)" = 0 ] || {{ echo "found user $(id -un); expected root: sudo $0" >&2; exit 1; }}

echo "sshd: port 22 with the distribution's own settings, besides the ports of before; keys of homes and of the inventory count"
{{
    echo "# Written by $0 on $(date -Is). The next run of the playbook replaces it."
    echo "Port 22"
    sed -n 's/^[[:space:]]*\\(Port [0-9]*\\)$/\\1/p' {path} 2>/dev/null | grep -vx "Port 22"
    echo "AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/authorized_keys.d/%u"
}} > {path}.new
chmod 600 {path}.new && mv -f {path}.new {path}
systemctl stop "research-server-*-undo.timer" 2>/dev/null
systemctl stop "research-server-sshd-*.socket" 2>/dev/null
rm -f {units}/research-server-sshd-*.socket {wants}
systemctl daemon-reload
for socket in ssh.socket sshd.socket; do
    ! systemctl is-active --quiet $socket || systemctl restart $socket
done
systemctl reset-failed {service} 2>/dev/null
systemctl restart {service}

if command -v nft >/dev/null && nft list table inet research_server >/dev/null 2>&1; then
    echo "firewall: the table inet research_server is gone, now and after a reboot; tables of others stay"
    systemctl disable --now {firewall} 2>/dev/null
    rm -f {nftables}
    systemctl daemon-reload
    nft delete table inet research_server
fi
if command -v fail2ban-client >/dev/null && systemctl is-active --quiet fail2ban; then
    echo "fail2ban: $(fail2ban-client unban --all) bans lifted"
fi

for _try in 1 2 3 4 5 6 7 8 9 10; do
    if ss -Hltn "sport = :22" | grep -q .; then
        echo "Port 22 answers. Log in, correct the inventory, and apply the playbook again: it closes this door."
        exit 0
    fi
    sleep 0.5
done
echo "found nothing on port 22; expected sshd. Look at: sshd -t; journalctl -u {service} -n 30" >&2
exit 1
"""


def script(header: str, path: str, service: str) -> str:
    """Its text, for the drop-in at ``path`` and the systemd unit of sshd."""
    return _TEXT.format(
        header=header,
        path=path,
        service=service,
        units=ssh_port.UNITS,
        wants=ssh_port.WANTS,
        firewall=firewall_rules.UNIT_NAME,
        nftables=firewall_rules.NFTABLES_DROPIN,
    )
