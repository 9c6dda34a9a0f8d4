# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets in, who does not, and what they can do then."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from waiting import wait_until

# Accounts in sshd_allow_groups.
MEMBERS = ("alice", "ops")
DROPIN = "/etc/ssh/sshd_config.d/00-research-server.conf"


@pytest.fixture
def page(host):
    """A web page that only the server itself can see, as JupyterLab is."""
    host.check_output("mkdir -p /srv/page && echo secret-page > /srv/page/index.html")
    host.run("systemctl stop page")
    host.check_output("systemd-run --unit=page --collect python3 -m http.server 8899 --bind 127.0.0.1 --directory /srv/page")
    wait_until(lambda: host.socket("tcp://127.0.0.1:8899").is_listening)
    yield
    host.run("systemctl stop page")


def listening(host):
    """Ports that sshd, or systemd for it, listens on."""
    lines = host.check_output("ss -Hltnp").splitlines()
    return {int(line.split()[3].rpartition(":")[2]) for line in lines if re.search(r'"(sshd|systemd)"', line)}


def stage(host, settings, undo_after):
    """Begin a change that nobody is going to confirm, as a controller does that disappears."""
    text = f"settings='{json.dumps(settings)}' undo_after={undo_after}"
    staged = host.ansible("openlab.research_server.sshd_config", text, check=False, become=True)
    assert staged["pending"], staged


def nothing_waits(host):
    """Whether no change waits for a confirmation, neither now nor after the next boot."""
    left = host.check_output("find /etc/systemd/system /run/systemd /var/lib/research-server -name 'research-server-*undo*'")
    return not left and not host.file("/var/lib/research-server/sshd").exists


class TestDoor:
    def test_a_key_opens_it(self, client):
        assert client.ssh("alice", "id -un", key="alice").stdout.strip() == "alice"

    @pytest.mark.parametrize("user", ["alice", "root", "ops"])
    def test_no_password_does(self, client, user):
        assert client.refused(user, password="secret")

    def test_root_does_not_get_in_with_a_good_key(self, client):
        assert client.refused("root", key="id_ed25519")

    def test_nobody_outside_the_group_gets_in_with_a_good_key(self, client):
        assert client.refused("eve", key="eve")

    def test_a_strange_key_does_not_open_it(self, client):
        assert client.refused("alice", key="stranger")

    def test_a_short_rsa_key_does_not_open_it_although_it_is_listed(self, client):
        assert client.refused("alice", key="alice_rsa_2048")

    def test_the_old_port_is_closed(self, host, client):
        assert not client.reaches(22)
        assert listening(host) == {2222}

    @pytest.mark.parametrize(
        "weak",
        [
            "KexAlgorithms=ecdh-sha2-nistp256",
            "KexAlgorithms=diffie-hellman-group14-sha256",
            "MACs=hmac-sha2-256 -o Ciphers=aes256-ctr",
            "MACs=umac-64-etm@openssh.com -o Ciphers=aes256-ctr",
            "HostKeyAlgorithms=ecdsa-sha2-nistp256",
        ],
    )
    def test_weak_algorithms_are_not_spoken(self, client, weak):
        done = client.ssh("alice", key="alice", more=f"-o {weak}")
        assert done.rc == 255
        assert "Unable to negotiate" in done.stderr

    @pytest.mark.parametrize("algorithm", ["ssh-ed25519", "rsa-sha2-512"])
    def test_both_host_keys_serve(self, client, algorithm):
        assert client.ssh("alice", key="alice", more=f"-o HostKeyAlgorithms={algorithm}").rc == 0

    def test_small_moduli_are_gone_and_large_ones_are_not(self, host):
        sizes = {int(size) for size in host.check_output("awk '!/^#/ {print $5}' /etc/ssh/moduli").split()}
        assert min(sizes) >= 3071
        assert len(sizes) > 2


class TestInside:
    def test_a_tunnel_to_the_server_itself_works(self, client, page):
        local = "-f -N -L 127.0.0.1:18899:localhost:8899 -o ExitOnForwardFailure=yes"
        command = f"timeout 60 ssh {client.options('alice')} {local} alice@{client.server} </dev/null >/dev/null 2>&1"
        assert client.machine.run(command).rc == 0
        fetch = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:18899/', timeout=10).read().decode())"
        fetched = client.machine.run("python3 -c %s", fetch)
        client.machine.run("kill $(ss -Hltnp 'sport = :18899' | grep -o 'pid=[0-9]*' | cut -d= -f2)")
        assert "secret-page" in fetched.stdout

    def test_a_tunnel_to_another_machine_does_not(self, client):
        done = client.ssh("alice", key="alice", more=f"-W {client.address}:22")
        assert done.rc != 0
        assert "prohibited" in done.stderr

    def test_nobody_opens_ports_on_the_server(self, client):
        done = client.ssh("alice", key="alice", more="-R 18898:localhost:22 -o ExitOnForwardFailure=yes")
        assert done.rc == 255

    def test_scp_and_sftp_work(self, client):
        client.machine.check_output("head -c 100000 /dev/urandom > /root/there && rm -f /root/back")
        options = client.options("alice")
        client.machine.check_output(f"timeout 30 scp {options} /root/there alice@{client.server}:copy")
        client.machine.check_output(f"echo 'get copy /root/back' | timeout 30 sftp -b - {options} alice@{client.server}")
        assert client.machine.run("cmp /root/there /root/back").rc == 0

    def test_the_agent_is_not_forwarded(self, client):
        key = client._key("alice")
        script = f"""
            eval $(ssh-agent) >/dev/null; ssh-add -q {key}
            timeout 30 ssh -A {client.options("alice", agent="$SSH_AUTH_SOCK")} alice@{client.server} 'echo "<$SSH_AUTH_SOCK>"'
            kill $SSH_AGENT_PID"""
        assert client.machine.check_output("sh -c %s", script) == "<>"

    def test_a_long_command_survives_a_reload(self, host, client):
        begun, reloaded = "/home/alice/begun", "/home/alice/reloaded"
        command = f"touch {begun}; until [ -e {reloaded} ]; do sleep 0.1; done; echo alive"
        try:
            with ThreadPoolExecutor() as pool:
                runs = pool.submit(client.ssh, "alice", command, key="alice")
                wait_until(lambda: host.file(begun).exists)
                # sshd has been told when this returns; it has done so a moment later.
                host.check_output(f"systemctl reload ssh; sleep 1; touch {reloaded}")
            assert runs.result().stdout.strip() == "alive"
        finally:
            host.check_output(f"rm -f {begun} {reloaded}")


class TestEffect:
    @pytest.mark.parametrize("user", [None, "root", "alice", "ops"])
    def test_what_is_in_effect_is_what_was_asked_for(self, host, user):
        found = host.ansible("openlab.research_server.sshd_info", f"user={user}" if user else "", check=False, become=True)
        expected = {
            "port": ["2222"],
            "permitrootlogin": ["no"],
            "passwordauthentication": ["no"],
            "kbdinteractiveauthentication": ["no"],
            "authenticationmethods": ["publickey"],
            "allowgroups": ["ssh-users"],
            "allowtcpforwarding": ["local" if user in MEMBERS else "no"],
            "permitopen": ["localhost:* 127.0.0.1:* [::1]:*" if user in MEMBERS else "none"],
            "hostkey": ["/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_rsa_key"],
            "loglevel": ["VERBOSE"],
            "requiredrsasize": ["3072"],
        }
        assert {keyword: found["settings"].get(keyword) for keyword in expected} == expected
        assert found["sources"]["passwordauthentication"].startswith(DROPIN)

    def test_post_quantum_key_exchange_comes_first(self, host):
        listing = host.check_output("sshd -T")
        algorithms = re.search(r"^kexalgorithms (.*)$", listing, re.MULTILINE)[1].split(",")
        assert algorithms[0].startswith(("mlkem768", "sntrup761"))
        if host.system_info.release.startswith("13"):
            assert all(name.startswith(("mlkem768", "sntrup761")) for name in algorithms)

    def test_nothing_of_the_change_is_left(self, host):
        assert nothing_waits(host)


class TestChanges:
    @pytest.mark.one_release
    def test_a_host_without_ipv6_is_changed_too(self, host, converge):
        """sshd listens on [::] all the same (net.ipv6.conf.all.disable_ipv6)."""
        switch = "mount -o remount,rw /proc/sys && sysctl -qw net.ipv6.conf.{all,default,lo}.disable_ipv6=%s"
        host.check_output(f"bash -c '{switch % 1}'")
        try:
            assert "[::]:2222" in host.check_output("ss -Hltn")
            assert host.run("ip -6 address | grep -q inet6").rc == 1
            changed = converge(sshd_max_auth_tries=4)
            assert changed.ok, changed.text
            assert converge(sshd_max_auth_tries=4).changed == 0
        finally:
            # Some kernels bring ::1 back by themselves, and say so.
            host.check_output(f"bash -c '{switch % 0}; ip -6 address add ::1/128 dev lo || true'")
            assert converge().ok

    """Each test leaves the host as it found it: the role applied with the scenario's variables."""

    @pytest.mark.one_release
    def test_another_file_that_lets_passwords_in_loses(self, host, client, converge):
        host.check_output(
            "printf 'PasswordAuthentication yes\\nAuthenticationMethods any\\nPort 22\\n' > /etc/ssh/sshd_config.d/00-cloud.conf"
        )
        host.check_output("systemctl reload ssh")
        wait_until(lambda: 22 in listening(host))
        assert client.ssh("alice", "true", password="secret").rc == 0
        first = converge()
        assert first.ok, first.text
        assert "/etc/ssh/sshd_config.d/00-cloud.conf:1: passwordauthentication yes" in first.text
        assert client.refused("alice", password="secret")
        assert not client.reaches(22)
        assert converge().changed == 0
        host.check_output("rm /etc/ssh/sshd_config.d/00-cloud.conf && systemctl reload ssh")

    def test_the_port_moves_in_one_run_and_back(self, host, client, converge):
        moved = converge(sshd_port=2300)
        assert moved.ok, moved.text
        assert listening(host) == {2300}
        assert client.ssh("alice", key="alice", port=2300).rc == 0
        assert converge(sshd_port=2300).changed == 0
        back = converge(sshd_previous_ports=[2300])
        assert back.ok, back.text
        assert listening(host) == {2222}

    @pytest.mark.one_release
    def test_a_lockout_is_refused_and_nothing_changes(self, host, converge):
        before = host.check_output("sha256sum /etc/ssh/sshd_config " + DROPIN)
        refused = converge(sshd_allow_groups=["wheel"])
        assert not refused.ok
        assert "'ops', who is logged in, could not log in again" in refused.message
        assert "wheel" in refused.message
        assert host.check_output("sha256sum /etc/ssh/sshd_config " + DROPIN) == before

    @pytest.mark.one_release
    def test_a_new_port_that_a_firewall_blocks_is_given_up(self, host, client, converge):
        host.check_output("command -v nft || apt-get install -qy nftables")
        host.check_output("nft add table inet test; nft add chain inet test in '{ type filter hook input priority 0; }'")
        host.check_output("nft add rule inet test in tcp dport 2300 drop")
        try:
            failed = converge(sshd_port=2300)
        finally:
            host.check_output("nft delete table inet test")
        assert not failed.ok
        assert "The previous configuration has been restored" in failed.message
        assert listening(host) == {2222}
        assert client.ssh("alice", key="alice").rc == 0
        assert converge().changed == 0

    @pytest.mark.one_release
    def test_a_port_of_another_program_is_refused(self, host, page, converge):
        refused = converge(sshd_port=8899)
        assert "port 8899 is taken by another program" in refused.message

    @pytest.mark.one_release
    def test_a_setting_that_sshd_does_not_know_is_refused(self, host, client, converge):
        refused = converge(sshd_settings={"NoSuchSetting": True})
        assert "NoSuchSetting" in refused.message or "nosuchsetting" in refused.message.lower()
        assert client.ssh("alice", key="alice").rc == 0
        assert converge().changed == 0

    @pytest.mark.one_release
    def test_a_controller_that_disappears_is_undone(self, host, converge):
        stage(host, {"Port": [2301], "AllowGroups": ["ssh-users"], "LogLevel": "DEBUG"}, undo_after=20)
        assert listening(host) == {2222, 2301}
        wait_until(lambda: listening(host) == {2222})
        late = host.ansible("openlab.research_server.sshd_config", "state=confirmed", check=False, become=True)
        assert "came too late" in late["msg"]
        assert nothing_waits(host)
        assert converge().changed == 0

    @pytest.mark.cases(2)
    @pytest.mark.one_release
    @pytest.mark.parametrize(
        "task",
        [
            "Configure sshd, and leave the old way in open",
            "Log in the new way and close the old one",
            "Turn to the new port",
            "Close the old way in, over a new login",
        ],
    )
    def test_a_controller_that_is_killed_leaves_a_way_in(self, host, client, converge, converge_until, task):
        assert converge_until(task, sshd_port=2300)
        for _look in range(10):
            assert any(client.ssh("alice", key="alice", port=port).rc == 0 for port in (2222, 2300))
        repaired = converge(sshd_previous_ports=[2300])
        assert repaired.ok, repaired.text
        assert listening(host) == {2222}
        assert nothing_waits(host)
        assert client.ssh("alice", key="alice").rc == 0

    @pytest.mark.one_release
    def test_keys_that_nobody_has_are_refused(self, client, converge):
        refused = converge(sshd_settings={"AuthorizedKeysFile": "/etc/ssh/no-such-keys/%u"})
        assert "'ops', who is logged in, could not log in again" in refused.message
        assert client.ssh("alice", key="alice").rc == 0
        assert converge().changed == 0

    @pytest.mark.one_release
    def test_algorithms_that_the_controller_lacks_are_refused(self, client, converge):
        refused = converge(sshd_settings={"Ciphers": ["aes128-ctr"]}, ansible_ssh_extra_args="-o Ciphers=aes256-ctr")
        assert "Ciphers: found aes256-ctr in the controller's ssh client" in refused.message
        assert client.ssh("alice", key="alice").rc == 0
        assert converge().changed == 0

    @pytest.mark.one_release
    def test_a_match_block_of_another_file_that_wins_is_named(self, host, client, converge):
        other = "/etc/ssh/sshd_config.d/90-vendor.conf"
        host.check_output(f"printf 'Match User alice\\n  PasswordAuthentication yes\\n  MaxAuthTries 4\\n' > {other}")
        try:
            refused, checked = converge(), converge("--check")
            assert f"{other}:2: passwordauthentication yes" in refused.message
            assert f"{other}:2: passwordauthentication yes" in checked.message
            assert f"{other}:3" not in refused.message
        finally:
            host.check_output(f"rm {other}")
        own = [{"criteria": "User eve", "settings": {"X11Forwarding": True}}]
        assert converge(sshd_match=own).ok
        assert "x11forwarding yes" in host.check_output("sshd -T -C user=eve,host=x,addr=192.0.2.1")
        assert "x11forwarding no" in host.check_output("sshd -T -C user=alice,host=x,addr=192.0.2.1")
        assert converge().ok

    @pytest.mark.one_release
    def test_a_match_block_that_our_own_wins_over_may_stay(self, host, converge):
        other = "/etc/ssh/sshd_config.d/90-vendor.conf"
        first = "/etc/ssh/sshd_config.d/00-a.conf"
        host.check_output(f"printf 'Match Group ssh-users\\n  AllowTcpForwarding yes\\n' > {other}")
        try:
            assert converge().ok
            host.check_output(f"mv {other} {first}")
            refused = converge()
            assert f"{first}:2 wins" in refused.message, refused.message
        finally:
            host.check_output(f"rm -f {other} {first}")
        assert converge().ok

    def test_a_reboot_in_the_middle_is_undone(self, host, new_client, converge, reboot):
        before = host.check_output(f"cat {DROPIN}")
        stage(host, {"Port": [2301], "AllowGroups": ["ssh-users"], "AuthenticationMethods": "password"}, undo_after=600)
        assert new_client().ssh("alice", key="alice").rc == 255
        assert host.check_output(f"cat {DROPIN}") != before
        reboot()
        wait_until(lambda: listening(host) == {2222})
        assert host.check_output(f"cat {DROPIN}") == before
        assert new_client().ssh("alice", key="alice").rc == 0
        assert nothing_waits(host)
        assert converge().changed == 0

    @pytest.mark.one_release
    def test_an_interrupted_change_is_finished_by_the_next_run(self, host, converge):
        stage(host, {"Port": [2301], "AllowGroups": ["ssh-users"]}, undo_after=600)
        repaired = converge()
        assert repaired.ok, repaired.text
        assert listening(host) == {2222}
        assert nothing_waits(host)

    @pytest.mark.one_release
    def test_another_machine_on_the_old_address_is_an_error(self, host, converge, tmp_path):
        host.check_output("rm -f /root/other && ssh-keygen -q -t ed25519 -N '' -f /root/other")
        wrong = host.check_output("cut -d' ' -f1,2 /root/other.pub")
        address = host.check_output("hostname -I").split()[0]
        known = tmp_path / "known_hosts"
        known.write_text(f"{address} {wrong}\n")
        options = (
            f"-o UserKnownHostsFile={known} -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
        )
        found = converge(ansible_ssh_common_args=options, ansible_control_path_dir=str(tmp_path))
        assert not found.ok
        assert "Host key verification failed" in found.message

    def test_socket_activation_keeps_its_port_too(self, host, client, converge):
        host.check_output("systemctl disable --now ssh.service && systemctl enable --now ssh.socket")
        try:
            moved = converge()
            assert moved.ok, moved.text
            assert client.ssh("alice", key="alice").rc == 0
            assert listening(host) == {2222}
            assert converge().changed == 0
        finally:
            # systemd 257 may forget a service that runs while it gets an alias (sshd.service): stopped first, it is not lost.
            host.check_output("systemctl disable --now ssh.socket; systemctl stop ssh.service; systemctl enable ssh.service")
            host.check_output("systemctl start ssh.service")
        # sshd starts by itself again, and takes the port back from systemd.
        back = converge()
        assert back.ok, back.text
        assert listening(host) == {2222}
        assert not host.run("ls /etc/systemd/system/research-server-sshd-*.socket").stdout
        assert converge().changed == 0
