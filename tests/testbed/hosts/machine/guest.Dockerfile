# The disk of a virtual machine: the bare Debian server of the containers, and what only a machine has, a kernel of its own.
# BASE is that server's image. What makes an identity is made here: each image serves one machine at a time.
ARG BASE
FROM ${BASE}
RUN set -eu; export DEBIAN_FRONTEND=noninteractive; \
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod 0755 /usr/sbin/policy-rc.d; \
    apt-get update -q; \
    apt-get install -qy --no-install-recommends initramfs-tools kmod libpam-systemd linux-image-cloud-amd64 udev; \
    apt-get clean; \
    rm -f /usr/sbin/policy-rc.d /usr/local/sbin/testbed-boot; \
    ssh-keygen -q -A; systemd-machine-id-setup; mkdir -p /var/log/journal; \
    printf '/dev/vda / ext4 errors=remount-ro 0 1\n' > /etc/fstab; \
    systemctl enable systemd-networkd.service systemd-network-generator.service
