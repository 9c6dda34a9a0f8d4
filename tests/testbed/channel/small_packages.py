# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small packages with the shapes that trouble conda clients, as data: several versions, conflicts, two channels, a kernel."""

from __future__ import annotations

import json
from dataclasses import replace

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


# A kernel of another language, with the real protocol: what a cell says, sh runs. It stands for IRkernel and the like, which bring
# their kernel.json in the same way; R itself is no package of the index that the mirror is made from.
_SH_KERNEL = """

import subprocess

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel


class ShKernel(Kernel):
    implementation, implementation_version, banner = "sh", __version__, "sh"
    language_info = {"name": "sh", "mimetype": "text/x-sh", "file_extension": ".sh"}

    def do_execute(self, code, silent, *rest, **options):
        done = subprocess.run(["sh", "-c", code], capture_output=True, text=True)
        if not silent:
            text = done.stdout + done.stderr
            self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": text})
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}


if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=ShKernel)
"""


def _sh_kernel() -> Package:
    package = python_module("sh-kernel", "1.0", depends=("ipykernel",), module="sh_kernel")
    program = File.text(f"__version__ = '1.0'{_SH_KERNEL}")
    argv = [f"{PLACEHOLDER}/bin/python", "-m", "sh_kernel", "-f", "{connection_file}"]
    spec = File.text(json.dumps({"argv": argv, "display_name": "Shell", "language": "sh"}))
    files = {"site-packages/sh_kernel/__main__.py": program, "share/jupyter/kernels/sh/kernel.json": spec}
    return replace(package, files={**package.files, **files})


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
        (_sh_kernel(), "conda"),
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
