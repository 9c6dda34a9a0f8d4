# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The build context of an image that holds what a server holds, from the same locks. Pure. Private to this collection.

A stage for each thing that changes at its own pace: what is below a change is neither built nor pulled again.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import typing as t
from collections.abc import Mapping

from ...module_utils._conda.errors import CondaEnvError, secrets
from ...module_utils._conda.lock import Locked
from ...module_utils._jupyter.kernels import kernel_name, python_kernel

LABEL = "org.openlab.research-server"
# What an image was built from stays in it, to be read.
SOURCES = "/usr/local/share/research-server"
KERNELS = "/usr/local/share/jupyter/kernels"
FRAMEWORK = "jupyter"
SERVER = "jupyterhub"
TAG_LENGTH = 12

# The whole cache: an unpacked package would be taken again without its archive, whose SHA-256 nobody could ask for.
_CLEAN = "conda clean --force-pkgs-dirs --yes --quiet"
_DOCKERFILE = """\
# Written by openlab.research_server.kubernetes_values: change the inventory, and run it again.
# docker build --tag NAME:TAG .

# base: the system, and the account of whoever works in a pod
ARG BASE={base}
FROM ${{BASE}} AS base
RUN set -eu; export DEBIAN_FRONTEND=noninteractive; \\
    apt-get update -q; \\
    apt-get install -qy --no-install-recommends {packages}; \\
    apt-get clean; rm -rf /var/lib/apt/lists/*; \\
    useradd --uid 1000 --gid 100 --create-home --home-dir /home/jovyan --shell /bin/bash jovyan

# tools: conda, of the same installer as on the servers
FROM base AS tools
RUN set -eu; \\
    curl --fail --silent --show-error --location --output /tmp/conda.sh {installer}; \\
    echo {checksum}' */tmp/conda.sh' | sha256sum --check --quiet -; \\
    bash /tmp/conda.sh -b -p {root}; \\
    rm -f /tmp/conda.sh; {root}/bin/{clean}

# framework: JupyterLab's own environment
FROM tools AS framework
{framework}

# project: the environment that people work in, as a kernel
FROM framework AS project
{project}
{kernel}LABEL {labels}
USER 1000:100
WORKDIR /home/jovyan
ENV HOME=/home/jovyan LANG=C.UTF-8 PATH={root}/envs/{framework_name}/bin:{root}/condabin:/usr/local/bin:/usr/bin:/bin
ENTRYPOINT ["tini", "--"]
CMD ["{command}"]
"""


class Environment(t.NamedTuple):
    """An environment and its lock; `file_digest` is the SHA-256 (hex) of the lock's file."""

    name: str
    locked: Locked
    file_digest: str
    display_name: str = ""


class Tools(t.NamedTuple):
    """What a server is made of besides environments."""

    root: str
    installer: str
    checksum: str
    """As `miniconda_checksum`: sha256: and hex."""
    base: str
    packages: tuple[str, ...]
    version: str


def command(tools: Tools) -> str:
    """What a pod starts."""
    return f"{tools.root}/envs/{FRAMEWORK}/bin/jupyterhub-singleuser"


def context(tools: Tools, framework: Environment, project: Environment, launch: str) -> dict[str, str]:
    """File -> text. Raises CondaEnvError where no image can be made. `launch` is the text of launch.py."""
    if SERVER not in _names(framework):
        raise CondaEnvError(
            f"its lock has no {SERVER}, without which no pod starts",
            "Add '{pip: [\"jupyterhub==5.5.0\"]}', or the version of your chart, to 'jupyter_extensions', and lock again.",
        )
    files = {f"{environment.name}/{name}": text for environment in (framework, project) for name, text in _sources(environment)}
    kernel = kernel_name(project.name)
    has_kernel = "ipykernel" in _names(project)
    if has_kernel:
        shown = {"name": project.name, "prefix": f"{tools.root}/envs/{project.name}", "display_name": project.display_name}
        made = python_kernel(f"{KERNELS}/{kernel}", shown, tools.root, launch)
        files.update({f"kernel/{name}": text for name, text in made.items()})
    labels = {
        "environment": project.name,
        "lock": f"sha256:{project.file_digest}",
        "digest": project.locked.lock.digest(),
        "framework-lock": f"sha256:{framework.file_digest}",
        "collection": tools.version,
    }
    files["Dockerfile"] = _DOCKERFILE.format(
        base=tools.base,
        packages=" ".join(map(shlex.quote, tools.packages)),
        installer=shlex.quote(tools.installer),
        checksum=tools.checksum.partition(":")[2],
        root=tools.root,
        clean=_CLEAN,
        framework=_build(tools, framework),
        project=_build(tools, project),
        framework_name=framework.name,
        kernel=f"COPY kernel/ {KERNELS}/{kernel}/\nRUN chmod -R u=rwX,go=rX {KERNELS}\n" if has_kernel else "",
        labels=" ".join(f"{LABEL}.{name}={json.dumps(text)}" for name, text in labels.items()),
        command=command(tools),
    )
    if any(map(secrets, files.values())):
        raise CondaEnvError(
            "a channel, an index or the installer has credentials in its URL, which everybody could read in the image",
            "Name a mirror that asks for none.",
        )
    return files


def tag(files: Mapping[str, str]) -> str:
    """Another one whenever what is built differs, so that no node keeps an older image under the same name."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:TAG_LENGTH]


def _names(environment: Environment) -> set[str]:
    lock = environment.locked.lock
    return {item.name for item in lock.conda} | {item.name for item in lock.pip}


def _sources(environment: Environment) -> t.Iterator[tuple[str, str]]:
    """What conda and pip read: every file with its checksum, so that neither chooses."""
    lines = [f"{record['url']}#{record['md5']}".rstrip("#") for record in environment.locked.records]
    yield "explicit.txt", "\n".join(["@EXPLICIT", *lines]) + "\n"
    checks = "".join(f"{record['sha256']}  {record['fn']}\n" for record in environment.locked.records)
    yield "SHA256SUMS", checks
    if environment.locked.lock.pip:
        yield "requirements.txt", environment.locked.requirements


def _build(tools: Tools, environment: Environment) -> str:
    """In one layer, so that packages are stored once."""
    prefix, source = f"{tools.root}/envs/{environment.name}", f"{SOURCES}/{environment.name}"
    lock = environment.locked.lock
    create = f"{tools.root}/bin/conda create --yes --quiet --prefix {prefix} --file {source}/explicit.txt"
    # conda compares with MD5 alone; what a lock promises is SHA-256, and nothing of a package may run before.
    check = f"cd {tools.root}/pkgs; sha256sum --check --quiet {source}/SHA256SUMS; cd /"
    steps = [f"{create} --download-only", check, f"{create} --offline"]
    if lock.pip:
        steps.append(
            f"PYTHONNOUSERSITE=1 {prefix}/bin/python -m pip install --no-cache-dir --no-deps --require-hashes "
            f"--root-user-action ignore --progress-bar off --requirement {source}/requirements.txt"
        )
    if lock.variables:
        pairs = " ".join(shlex.quote(f"{name}={text}") for name, text in lock.variables)
        steps.append(f"{tools.root}/bin/conda env config vars set --prefix {prefix} {pairs}")
    steps.append(f"{tools.root}/bin/{_CLEAN}")
    return f"COPY {environment.name}/ {source}/\nRUN set -eu; " + "; \\\n    ".join(steps)
