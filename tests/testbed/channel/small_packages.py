# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small packages with the shapes that trouble conda clients, as data: several versions, conflicts, two channels."""

from __future__ import annotations

from .conda_channel import PLACEHOLDER, ArchiveFormat, File, Package, python_module

TOOL = Package(
    name="tool",
    version="1.0",
    build="h1_0",
    depends=("__glibc >=2.17",),
    files={
        "bin/tool": File.text(f"#!/bin/sh\necho prefix={PLACEHOLDER}\n", executable=True),
        "etc/tool.conf": File.text(f"root={PLACEHOLDER}\n"),
        "etc/tool-link.conf": File(link_to="tool.conf"),
        "bin/.tool-post-link.sh": File.text('#!/bin/sh\necho ran > "$PREFIX/etc/post-link-ran"\n', executable=True),
    },
)


def _torch(version: str, channel: str, build: str) -> Package:
    """A stand-in for PyTorch that tells which channel it came from: ``torch.channel``."""
    source = f"\n\nchannel = {channel!r}\n"
    return python_module("pytorch", version, build=build, depends=("alpha",), source=source, module="torch")


SMALL_PACKAGES: dict[str, tuple[tuple[Package, ArchiveFormat], ...]] = {
    "conda-forge": (
        (python_module("alpha", "1.0.0"), "tar.bz2"),
        (python_module("alpha", "1.1.0"), "conda"),
        (python_module("alpha", "2.0.0"), "conda"),
        (python_module("beta", "1.0.0", depends=("alpha >=1,<2",)), "conda"),
        (python_module("beta", "2.0.0", depends=("alpha >=2",), command="beta-cli"), "conda"),
        (python_module("gamma", "0.1.0", depends=("alpha",), constrains=("beta >=2",)), "tar.bz2"),
        (python_module("delta", "1.0"), "conda"),
        (python_module("delta", "1.1"), "conda"),
        (TOOL, "conda"),
        # conda-forge has the newer one: a specification without a channel and one with it differ
        (_torch("2.0.0", "conda-forge", "cpu_forge_0"), "conda"),
        (_torch("2.1.0", "conda-forge", "cpu_forge_0"), "conda"),
    ),
    "pytorch": (
        (_torch("2.0.0", "pytorch", "cuda_0"), "conda"),
        (_torch("2.0.1", "pytorch", "cuda_0"), "conda"),
        (python_module("torchvision", "0.15.0", depends=("pytorch 2.0.*",)), "conda"),
    ),
}
