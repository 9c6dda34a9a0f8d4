# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.compare import compare, conda_fits, pip_fits
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import parse

FORGE = "https://conda.anaconda.org/conda-forge"


def package(name: str, version: str, requested: bool = True, installer: str = "conda", **more: str) -> dict[str, t.Any]:
    origin = {"build": "py311_0", "channel": FORGE} if installer == "conda" else {"build": "pypi_0", "channel": "pypi"}
    return {"name": name, "version": version, "requested": requested, "installer": installer, **origin, **more}


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        ("numpy", True),
        ("numpy=1.26", True),
        ("numpy=1.2", False),
        ("numpy==1.26", False),
        ("numpy==1.26.4", True),
        ("numpy==1.26.4.0", True),
        ("numpy 1.26.4", True),
        ("numpy 1.26.*", True),
        ("numpy=1.25.*", False),
        ("numpy=*", True),
        ("numpy = 1.26", True),
        ("numpy=1.26.4=py311*", True),
        ("numpy=1.26.4=py312*", False),
        ("numpy=*=py311_0", True),
        ("numpy=1.26=py311_0", False),
        ("numpy=1.26.4=^py3.*$", None),
        ("conda-forge::numpy", True),
        ("conda-forge/linux-64::numpy=1.26", True),
        (f"{FORGE}::numpy", True),
        ("https://u:p@conda.anaconda.org/conda-forge::numpy", True),
        ("https://conda.anaconda.org/t/TOKEN/conda-forge/linux-64::numpy", True),
        ("https://u:p@conda.anaconda.org/other::numpy", False),
        ("forge::numpy", False),
        ("defaults::numpy", None),
        ("numpy>=1.26", None),
        ("numpy>=1,<2", None),
        ("numpy!=2", None),
        ("numpy~=1.26", None),
        ("numpy 1.25|1.26", None),
        ("numpy[version='>=1']", None),
        ("numpy=1.26rc1", None),
        ("numpy=1.26  # [linux]", True),
    ],
)
def test_a_conda_package_fits(spec: str, fits: bool | None) -> None:
    assert conda_fits(spec, package("numpy", "1.26.4")) is fits


@pytest.mark.parametrize(
    ("line", "fits"),
    [
        ("rich", True),
        ("rich[jupyter]", True),
        ("rich==13.7.0", True),
        ("rich==13.7", True),
        ("rich == 13.8", False),
        ("rich===13.7.0", True),
        ("rich (==13.7.0)", True),
        ("rich==13.7.0 --hash=sha256:00", True),
        ("rich==13.7.0; python_version > '3'", True),
        ("rich>=13", None),
        ("rich==13.*", None),
        ("rich @ https://h.example/rich.whl", None),
    ],
)
def test_a_pip_package_fits(line: str, fits: bool | None) -> None:
    assert pip_fits(line, package("rich", "13.7.0", installer="pip")) is fits


def test_an_environment_against_a_specification() -> None:
    lines = [
        "rich==13.7.0",
        "Flask_Thing",
        "gone",
        "tomli; python_version < '3.11'",
        "git+https://h.example/x#egg=x",
        "-r more.txt",
    ]
    definition = {"channels": ["conda-forge"], "dependencies": ["python=3.11", "numpy==2.0", "scipy", "zlib>=1", {"pip": lines}]}
    installed = [
        package("python", "3.11.7"),
        package("pip", "24.0"),
        package("numpy", "1.26.4"),
        package("zlib", "1.3"),
        package("openssl", "3.2", requested=False),
        package("added", "1.0"),
        package("rich", "13.7.0", installer="pip"),
        package("flask-thing", "1.0", installer="pip"),
        package("x", "1.0", installer="pip"),
        package("nested", "1.0", installer="pip"),
        package("pushed", "1.0", installer="pip"),
    ]
    assert compare(parse(definition, {"more.txt": "nested\n# no\n--no-index\n"}), installed) == {
        "missing": ["scipy", "pip: gone"],
        "wrong": [f"numpy==2.0: found conda package numpy 1.26.4 py311_0 {FORGE}"],
        "extra": [f"conda package added 1.0 py311_0 {FORGE}", "pip package pushed 1.0 pypi_0 pypi"],
        "undecided": ["zlib>=1", "pip: tomli; python_version < '3.11'", "pip: git+https://h.example/x#egg=x"],
    }


def test_what_pip_passes_over_is_neither_wrong_nor_missing() -> None:
    lines = ["-c limits.txt", "-r more.txt", "numpy==1.21.6; python_version < '3.8'", "numpy==1.26.4; python_version >= '3.8'"]
    files = {
        "limits.txt": "scipy<2\nflask==2\nrich<13\n-c more-limits.txt\n",
        "more-limits.txt": "gone\n",
        "more.txt": "tiny \\\n  ==1.0 \\\n  --hash=sha256:00\n# no\nlate==2  # why\n",
    }
    definition = {"channels": ["c"], "dependencies": ["python", {"pip": lines}]}
    installed = [
        package("python", "3.11.7"),
        package("pip", "24.0"),
        package("numpy", "1.26.4", installer="pip"),
        package("rich", "13.7.0", installer="pip"),
        package("tiny", "1.0", installer="pip"),
    ]
    assert compare(parse(definition, files), installed) == {
        "missing": ["pip: late==2"],
        "wrong": [],
        "extra": ["pip package rich 13.7.0 pypi_0 pypi"],
        "undecided": ["pip: numpy==1.21.6; python_version < '3.8'"],
    }
