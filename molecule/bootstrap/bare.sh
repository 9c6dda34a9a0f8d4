# What an installer leaves behind: root, with a key on Debian 12 and with a one-time password on Debian 13; no sudo. Prints the
# address. Runs on the host as root; KEY is the public key.
set -eu
for attempt in $(seq 120); do
  case $(systemctl is-system-running 2>/dev/null) in running | degraded) break ;; esac
  [ "$attempt" -lt 120 ] || { echo "systemd did not finish booting within 60 s" >&2; exit 1; }
  sleep 0.5
done
. /etc/os-release
if [ "$VERSION_ID" = 12 ]; then
  install -d -m 0700 /root/.ssh
  printf '%s\n' "$KEY" > /root/.ssh/authorized_keys
else
  echo root:one-time | chpasswd
  # Logins that have to fail are what the tests are about; a controller that fails this often would be kept out for a while.
  printf '%s\n' 'PermitRootLogin yes' 'PerSourcePenalties no' > /etc/ssh/sshd_config.d/50-installer.conf
  systemctl reload ssh
fi
# sudo goes, and waits in a repository of the host's own: test hosts have no way to Debian's.
mkdir -p /srv/apt/sudo/DEBIAN
dpkg-query --listfiles sudo | while read -r path; do [ -d "$path" ] || printf "%s\n" "$path"; done |
  tar -cP -T - | tar -x -C /srv/apt/sudo
dpkg-query --status sudo | grep -v -e '^Status:' -e '^Conffiles:' -e '^ /etc/' > /srv/apt/sudo/DEBIAN/control
dpkg-deb --build --root-owner-group /srv/apt/sudo /srv/apt/sudo.deb >/dev/null
{ cat /srv/apt/sudo/DEBIAN/control; echo "Filename: ./sudo.deb"; echo "Size: $(stat -c %s /srv/apt/sudo.deb)";
  echo "SHA256: $(sha256sum /srv/apt/sudo.deb | cut -d' ' -f1)"; } > /srv/apt/Packages
SUDO_FORCE_REMOVE=yes dpkg --purge --force-all sudo >/dev/null 2>&1
rm -rf /srv/apt/sudo /etc/apt/sources.list /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/apt ./' > /etc/apt/sources.list
if command -v sudo >/dev/null; then exit 1; fi
hostname -I | cut -d' ' -f1
