# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make signed dnf repositories with the shape of NVIDIA's for RHEL 9: names, epoch, relations and streams of its module.

The driver is a stand-in: a library without content, and what DKMS leaves behind when it has built a module. Of two versions it
has built none; as with NVIDIA's packages, that does not keep them from being installed. The repository also has a newer sudo,
which is none of its business. FOLDER/epel has what EPEL and the family's own repositories have. Runs on a host with rpm,
createrepo-c and gnupg: ``repository.py FOLDER``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

VERSIONS = ("580.82.07", "580.95.05", "580.105.08", "590.44.01", "595.71.05")
DO_NOT_BUILD = ("580.82.07", "590.44.01")
KERNEL = "5.14.0-570.12.1.el9_6.x86_64"
KINDS = {"dkms": "kmod-nvidia-latest-dkms", "open": "kmod-nvidia-open-dkms"}
COMMON = ("nvidia-kmod-common", "nvidia-driver-cuda", "nvidia-driver-cuda-libs", "nvidia-persistenced")
OTHERS = (("cuda-toolkit-12-8", "12.8.1"), ("sudo", "99"))
ELSEWHERE = (("dkms", "3.2.1"), ("python3-dnf-plugin-versionlock", "4.3.0"))
UNIT = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"


def put(path: Path, content: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def relations(name: str, version: str) -> t.Iterator[str]:
    """As in NVIDIA's specs."""
    same = f"= 3:{version}"
    if name in KINDS.values():
        yield f"Provides: nvidia-kmod {same}\nRequires: nvidia-kmod-common {same}\nRequires: dkms"
        yield from (f"Conflicts: {other}" for other in KINDS.values() if other != name)
    if name == "nvidia-kmod-common":
        yield f"Requires: nvidia-kmod {same}"
    if name == "nvidia-driver-cuda":
        yield from (f"Requires: {part} {same}" for part in COMMON if part != name)


def fill(tree: Path, name: str, version: str) -> None:
    """What a package brings."""
    if name == "nvidia-driver-cuda-libs":
        put(tree / f"usr/lib64/libcuda.so.{version}")
    if name == "nvidia-persistenced":
        put(tree / "usr/lib/systemd/system/nvidia-persistenced.service", UNIT)
    if name in KINDS.values() and version not in DO_NOT_BUILD:
        built = tree / f"var/lib/dkms/nvidia/{version}/{KERNEL}/x86_64"
        put(built / "module/nvidia.ko")
        put(tree / f"usr/lib/modules/{KERNEL}/modules.dep")
        (tree / f"var/lib/dkms/nvidia/kernel-{KERNEL}-x86_64").symlink_to(f"{version}/{KERNEL}/x86_64")


def build(folder: Path, name: str, version: str, epoch: int = 0) -> None:
    with tempfile.TemporaryDirectory() as work:
        tree = Path(work, "tree")
        tree.mkdir()
        fill(tree, name, version)
        files = "\n".join(f"/{path.relative_to(tree)}" for path in tree.rglob("*") if path.is_symlink() or path.is_file())
        head = f"Name: {name}\nEpoch: {epoch}\nVersion: {version}\nRelease: 1.el9\nSummary: stand-in\nLicense: none\n"
        head += "BuildArch: noarch\n" + "\n".join(relations(name, version))
        steps = f"%description\nstand-in\n%install\ncp -a {tree}/. %{{buildroot}}\n%files\n{files}\n"
        put(Path(work, "spec"), f"{head}\n{steps}")
        defines = (f"_topdir {work}", f"_rpmdir {folder}", "_rpmfilename %%{NAME}-%%{VERSION}.rpm", "__os_install_post %{nil}")
        options = [word for definition in defines for word in ("--define", definition)]
        subprocess.run(["rpmbuild", "-bb", "--quiet", "--nodeps", *options, f"{work}/spec"], check=True)


def module(stream: str, kind: str, versions: t.Iterable[str]) -> str:
    artifacts = "\n".join(f"      - {name}-3:{version}-1.el9.noarch" for version in versions for name in (KINDS[kind], *COMMON))
    return (
        f"---\ndocument: modulemd\nversion: 2\ndata:\n  name: nvidia-driver\n  stream: {stream}\n  version: 20261128\n"
        "  context: 00000000\n  arch: x86_64\n  summary: stand-in\n  description: stand-in\n  license: {module: [MIT]}\n"
        f"  profiles:\n    default:\n      rpms: [nvidia-driver-cuda]\n  artifacts:\n    rpms:\n{artifacts}\n...\n"
    )


def modules() -> str:
    """Streams of branches and of the newest driver, which is the default."""
    branches = sorted({version.split(".", maxsplit=1)[0] for version in VERSIONS})
    named = {branch: [version for version in VERSIONS if version.startswith(branch)] for branch in branches}
    text = "".join(module(f"{branch}-{kind}", kind, found) for branch, found in named.items() for kind in KINDS)
    text += module("latest-dkms", "dkms", VERSIONS) + module("open-dkms", "open", VERSIONS)
    return f"{text}---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: nvidia-driver\n  stream: open-dkms\n...\n"


def main(folder: Path) -> None:
    nvidia, epel = folder / "nvidia", folder / "epel"
    for name in (*KINDS.values(), *COMMON):
        for version in VERSIONS:
            build(nvidia, name, version, epoch=3)
    for name, version in OTHERS:
        build(nvidia, name, version)
    for name, version in ELSEWHERE:
        build(epel, name, version)
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    environment = {**os.environ, "GNUPGHOME": str(home)}
    gpg = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    subprocess.run([*gpg, "--quick-generate-key", "test@localhost", "rsa3072", "sign", "1d"], check=True, env=environment)
    packages = [str(path) for place in (nvidia, epel) for path in place.glob("*.rpm")]
    sign = ["rpmsign", "--define", "_gpg_name test@localhost", "--define", "__gpg /usr/bin/gpg", "--addsign", *packages]
    subprocess.run(sign, check=True, env=environment, stdout=subprocess.DEVNULL)
    for place in (nvidia, epel):
        subprocess.run(["createrepo_c", "--quiet", str(place)], check=True)
    put(folder / "modules.yaml", modules())
    subprocess.run(["modifyrepo_c", "--mdtype=modules", str(folder / "modules.yaml"), str(nvidia / "repodata")], check=True)
    subprocess.run([*gpg, "--armor", "--export", "-o", str(nvidia / "key.asc")], check=True, env=environment)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
