# What a cloud image or an installer leaves behind: an administrator `ops` with a key, allowed to become root, and root with
# the same key. Prints the address and the host's identity. Runs on the host as root; KEY is the public key.
set -eu
# The manager's bus comes up late: no answer at first is not a failure, sixty seconds of it are.
for attempt in $(seq 120); do
  case $(systemctl is-system-running 2>/dev/null) in running | degraded) break ;; esac
  [ "$attempt" -lt 120 ] || { echo "systemd did not finish booting within 60 s" >&2; exit 1; }
  sleep 0.5
done
getent group ssh-users >/dev/null || groupadd --system ssh-users
id ops >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --groups sudo,ssh-users --password '*' ops
for home in /home/ops /root; do
  install -d -m 0700 -o "$(stat -c %U "$home")" -g "$(stat -c %G "$home")" "$home/.ssh"
  printf '%s\n' "$KEY" > "$home/.ssh/authorized_keys"
  chmod 0600 "$home/.ssh/authorized_keys"
  chown --reference="$home/.ssh" "$home/.ssh/authorized_keys"
done
printf 'ops ALL=(ALL) NOPASSWD: ALL\n' > /etc/sudoers.d/00-first-contact
chmod 0440 /etc/sudoers.d/00-first-contact
hostname -I | cut -d' ' -f1
cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub
