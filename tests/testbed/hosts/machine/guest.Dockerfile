# What a server in a container becomes a machine with: a kernel of its own, its loader's files, and somebody who minds its network.
# BASE is the server's image.
ARG BASE
FROM ${BASE}
RUN set -eu; export DEBIAN_FRONTEND=noninteractive; \
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod 0755 /usr/sbin/policy-rc.d; \
    apt-get update -q; \
    apt-get install -qy --no-install-recommends initramfs-tools kmod libpam-systemd linux-image-cloud-amd64 udev; \
    apt-get clean; rm -f /usr/sbin/policy-rc.d; \
    mkdir -p /var/log/journal; printf '/dev/vda / ext4 errors=remount-ro 0 1\n' > /etc/fstab; \
    systemctl enable systemd-networkd.service systemd-network-generator.service
