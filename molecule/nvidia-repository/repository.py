# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make signed repositories with the shape of NVIDIA's: flat, their labels and package names, branches of an empty driver.

The driver is a stand-in: a library without content, and what DKMS leaves behind when it has built a module for a kernel that is
not there either. Of two versions the module cannot be built, in the two ways that this shows. It also offers what it has no
business to offer, a newer sudo; so does the second one, FOLDER-containers, with a container toolkit that lists what the stand-in
for nvidia-smi says. Runs on a Debian host with gnupg: ``repository.py FOLDER``.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from email.utils import formatdate
from pathlib import Path

VERSIONS = ("580.76.05-1", "580.82.07-1", "580.82.09-1", "580.95.05-1", "590.44.01-1", "595.71.05-1")
# As Debian's packages do when DKMS fails: the package stays unconfigured.
DO_NOT_BUILD = ("580.82.07-1", "595.71.05-1")
# As DKMS may do: the package is installed, and the module that is there is another one.
BUILDS_ANOTHER = {"580.82.09-1": "580.76.05-1"}
KERNEL = "6.1.0-1-stand-in"
DRIVER = ("nvidia-kernel-dkms", "nvidia-kernel-open-dkms", "nvidia-driver-cuda", "nvidia-persistenced")
# They pin a branch, one at a time.
PINNING = "nvidia-driver-pinning"
OTHERS = [
    *((f"{PINNING}-{branch}", f"{branch}-1") for branch in ("580", "590", "595")),
    ("cuda-toolkit-12-8", "12.8.1-1"),
    ("cuda-toolkit-12-9", "12.9.1-1"),
    ("cuda-toolkit-13-0", "13.0.2-1"),
    ("datacenter-gpu-manager-exporter", "4.8.2-1"),
    ("sudo", "99:1"),
]
PACKAGES = [(name, version) for name in DRIVER for version in VERSIONS] + OTHERS
CONTAINERS = [("nvidia-container-toolkit", "1.19.1-1"), ("libnvidia-container1", "1.19.1-1"), ("sudo", "99:2")]
CDI = """[Unit]
ConditionPathExists=/usr/bin/nvidia-ctk
[Service]
Type=oneshot
ExecStart=/usr/bin/nvidia-ctk cdi generate
[Install]
WantedBy=multi-user.target
"""
CDI_PATH = "[Path]\nPathChanged=/usr/bin/nvidia-ctk\n[Install]\nWantedBy=multi-user.target\n"
CTK = "#!/bin/sh\nmkdir -p /run/cdi && nvidia-smi -q -x > /run/cdi/nvidia.yaml\n"
# It listens where it is told, and as the real one on all addresses if it is not.
EXPORTER = """#!/usr/bin/python3
import http.server, sys
given = sys.argv[sys.argv.index("--address") + 1] if "--address" in sys.argv else ":9400"
class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"DCGM_FI_DEV_GPU_TEMP 40\\n")
address, port = given.rsplit(":", 1)
http.server.HTTPServer((address, int(port)), Metrics).serve_forever()
"""
# As the package does: it runs as soon as it is installed, unless it is masked.
STARTS = "#!/bin/sh\nsystemctl daemon-reload; systemctl enable --now nvidia-dcgm-exporter.service || true\n"
UNIT = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"


def put(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def relations(name: str) -> str:
    return f"Provides: {PINNING}\nConflicts: {PINNING}\nReplaces: {PINNING}\n" if name.startswith(PINNING) else ""


def fill(tree: Path, name: str, version: str) -> None:
    """What a package brings."""
    if name == "nvidia-persistenced":
        put(tree / "usr/lib/systemd/system/nvidia-persistenced.service", UNIT)
    if name.startswith(PINNING):
        pin = f"Package: nvidia-* libnvidia-*\nPin: version {version.split('-', maxsplit=1)[0]}.*\nPin-Priority: 1000\n"
        put(tree / f"etc/apt/preferences.d/{name}", pin)
    if name == "nvidia-container-toolkit":
        put(tree / "usr/lib/systemd/system/nvidia-cdi-refresh.service", CDI)
        put(tree / "usr/lib/systemd/system/nvidia-cdi-refresh.path", CDI_PATH)
        put(tree / "usr/bin/nvidia-ctk", CTK).chmod(0o755)
    if name == "datacenter-gpu-manager-exporter":
        put(tree / "usr/bin/dcgm-exporter", EXPORTER).chmod(0o755)
        put(tree / "etc/dcgm-exporter/default-counters.csv")
        put(
            tree / "usr/lib/systemd/system/nvidia-dcgm-exporter.service",
            UNIT.replace("/bin/sleep infinity", "/usr/bin/dcgm-exporter"),
        )
        put(tree / "DEBIAN/postinst", STARTS).chmod(0o755)
    if name == "nvidia-driver-cuda":
        put(tree / f"usr/lib/x86_64-linux-gnu/libcuda.so.{version.split('-', maxsplit=1)[0]}")
    if name == "nvidia-kernel-dkms":
        built = BUILDS_ANOTHER.get(version, version).split("-")[0]
        put(tree / f"var/lib/dkms/nvidia/{built}/{KERNEL}/x86_64/module/nvidia.ko")
        (tree / f"var/lib/dkms/nvidia/kernel-{KERNEL}-x86_64").symlink_to(f"{built}/{KERNEL}/x86_64")
        put(tree / f"usr/lib/modules/{KERNEL}/modules.dep")
        if version in DO_NOT_BUILD:
            put(tree / "DEBIAN/postinst", "#!/bin/sh\necho 'Error! Bad return status for module build' >&2\nexit 10\n").chmod(
                0o755
            )


def build(folder: Path, name: str, version: str) -> str:
    """Build a package; its stanza of the package list."""
    with tempfile.TemporaryDirectory() as work:
        tree = Path(work)
        tree.chmod(0o755)
        control = (
            f"Package: {name}\nVersion: {version}\nArchitecture: all\n{relations(name)}Maintainer: Test <test@localhost>\n"
            "Description: stand-in\n"
        )
        put(tree / "DEBIAN/control", control)
        fill(tree, name, version)
        archive = folder / f"{name}_{version.replace(':', '%3a')}_all.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", work, str(archive)], check=True, stdout=subprocess.DEVNULL)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return f"{control}Filename: ./{archive.name}\nSize: {archive.stat().st_size}\nSHA256: {digest}\n"


def index(folder: Path, packages: list[tuple[str, str]], origin: str, label: str) -> None:
    """Fill a folder, and write its index."""
    folder.mkdir(parents=True)
    text = "\n".join(build(folder, name, version) for name, version in packages).encode()
    (folder / "Packages").write_bytes(text)
    digest = hashlib.sha256(text).hexdigest()
    (folder / "Release").write_text(
        f"Origin: {origin}\nLabel: {label}\nDate: {formatdate(usegmt=True)}\nSHA256:\n {digest} {len(text)} Packages\n"
    )


def main(folder: Path) -> None:
    containers = folder.with_name(f"{folder.name}-containers")
    index(folder, PACKAGES, "NVIDIA", "NVIDIA CUDA")
    index(containers, CONTAINERS, "https://nvidia.github.io/libnvidia-container", "NVIDIA CORPORATION <cudatools@nvidia.com>")
    with tempfile.TemporaryDirectory() as home:
        gpg = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        environment = {**os.environ, "GNUPGHOME": home}
        subprocess.run([*gpg, "--quick-generate-key", "test@localhost", "rsa3072", "sign", "1d"], check=True, env=environment)
        for place in (containers, folder):
            subprocess.run(
                [*gpg, "--clearsign", "-o", str(place / "InRelease"), str(place / "Release")], check=True, env=environment
            )
        subprocess.run([*gpg, "--export", "-o", str(folder / "key.gpg")], check=True, env=environment)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
