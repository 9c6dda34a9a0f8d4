# What a server in a container becomes a machine with: a kernel of its own, its loader's files, somebody who minds its network, and
# somebody who sets its clock. BASE is the server's image.
ARG BASE

# Kernel modules that nobody has signed; the compiler stays here.
FROM ${BASE} AS driver
RUN set -eu; export DEBIAN_FRONTEND=noninteractive; \
    apt-get update -q; apt-get install -qy --no-install-recommends linux-headers-amd64 make
COPY driver /srv/driver
RUN make -C /usr/src/linux-headers-*-amd64 M=/srv/driver modules

FROM ${BASE}
COPY initramfs-hook /etc/initramfs-tools/hooks/testbed
RUN set -eu; export DEBIAN_FRONTEND=noninteractive; \
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod 0755 /usr/sbin/policy-rc.d; \
    mkdir /etc/initramfs-tools/conf.d; echo MODULES=list > /etc/initramfs-tools/conf.d/testbed; \
    apt-get update -q; \
    apt-get install -qy --no-install-recommends \
      initramfs-tools kmod libpam-systemd linux-image-amd64 systemd-timesyncd udev zstd; \
    apt-get clean; rm -f /usr/sbin/policy-rc.d; \
    mkdir -p /var/log/journal; printf '/dev/vda / ext4 errors=remount-ro 0 1\n' > /etc/fstab; \
    systemctl enable systemd-networkd.service systemd-network-generator.service systemd-timesyncd.service
COPY --from=driver /srv/driver/nvidia.ko /srv/driver/nvidia-uvm.ko /srv/driver/
