# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image is built from. molecule/conda_envs builds it."""

from __future__ import annotations

import json

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.lock import CondaPackage, Lock, PipPackage
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import Settings
from ansible_collections.openlab.research_server.plugins.plugin_utils._kubernetes.image import Environment, Tools, context, tag

TOOLS = Tools(
    root="/opt/miniconda3",
    installer="https://conda.lab.example/installer.sh",
    checksum=f"sha256:{'d' * 64}",
    base="debian:13-slim",
    packages=("curl", "tini"),
    version="1.2.3",
)


def environment(name: str, *packages: str, pip: tuple[str, ...] = (), alias: str = "", md5: str = "b" * 32) -> Environment:
    conda = tuple(
        CondaPackage(
            item, "1.0", "0", 0, "conda-forge", f"https://elsewhere.example/conda-forge/noarch/{item}-1.0-0.conda", "a" * 64, md5
        )
        for item in packages
    )
    wheels = tuple(PipPackage(item, "1.0", f"{item}-1.0-py3-none-any.whl", (f"sha256:{'c' * 64}",)) for item in pip)
    lock = Lock("linux-64", "24.7.1", f"sha256:{'e' * 64}", ("conda-forge",), packages, conda, (("LAB", "a b"),), pip=wheels)
    return Environment(name, lock.locked(None, Settings(channel_alias=alias)), "f" * 64, "Language")


FRAMEWORK = environment("jupyter", "python", pip=("jupyterhub",))


def built(project: Environment, tools: Tools = TOOLS) -> dict[str, str]:
    return context(tools, FRAMEWORK, project, "launch")


def test_a_package_comes_from_the_labs_own_channel_with_its_checksums() -> None:
    files = built(environment("nlp", "tool", alias="https://mirror.lab.example"))
    url = "https://mirror.lab.example/conda-forge/noarch/tool-1.0-0.conda"
    assert files["nlp/explicit.txt"] == f"@EXPLICIT\n{url}#{'b' * 32}\n"
    assert files["nlp/SHA256SUMS"] == f"{'a' * 64}  tool-1.0-0.conda\n"
    assert files["jupyter/requirements.txt"] == f"jupyterhub==1.0 --hash=sha256:{'c' * 64}\n"


def test_a_package_without_md5_has_its_url_alone() -> None:
    assert built(environment("nlp", "tool", md5=""))["nlp/explicit.txt"].endswith("tool-1.0-0.conda\n")


def test_layers_go_from_what_changes_least_to_what_changes_most() -> None:
    recipe = built(environment("nlp", "tool"))["Dockerfile"]
    assert [line.split()[-1] for line in recipe.splitlines() if line.startswith("FROM")] == [
        "base",
        "tools",
        "framework",
        "project",
    ]
    assert recipe.index("SHA256SUMS") < recipe.index("--offline")
    assert "config vars set --prefix /opt/miniconda3/envs/nlp 'LAB=a b'" in recipe
    assert recipe.rindex("USER 1000:100") > recipe.rindex("RUN ")


def test_an_environment_with_ipykernel_is_a_kernel() -> None:
    assert not [name for name in built(environment("nlp", "tool")) if name.startswith("kernel/")]
    files = built(environment("nlp", "ipykernel"))
    assert json.loads(files["kernel/kernel.json"])["display_name"] == "Language"
    assert "COPY kernel/ /usr/local/share/jupyter/kernels/nlp/" in files["Dockerfile"]


def test_the_tag_is_the_content() -> None:
    one = built(environment("nlp", "tool"))
    assert tag(one) == tag(built(environment("nlp", "tool")))
    assert tag(one) != tag(built(environment("nlp", "tool"), TOOLS._replace(packages=("curl",))))


def test_a_pod_that_could_not_start_is_refused() -> None:
    with pytest.raises(CondaEnvError, match="has no jupyterhub"):
        context(TOOLS, environment("jupyter", "python"), environment("nlp", "tool"), "launch")


def test_credentials_are_refused() -> None:
    with pytest.raises(CondaEnvError, match="credentials"):
        built(environment("nlp", "tool", alias="https://ada:hidden-word@mirror.lab.example"))
    with pytest.raises(CondaEnvError, match="credentials"):
        built(environment("nlp", "tool"), TOOLS._replace(installer="https://ada:hidden-word@conda.lab.example/installer.sh"))
