# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import SpecificationError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.match_spec import check
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import parse


@pytest.mark.parametrize(
    "spec",
    [
        "numpy",
        "numpy=",
        "numpy 1.26",
        "numpy 1.26 py311*",
        "numpy = 1.26",
        "numpy >= 1.20, < 2",
        "numpy>=1.20 ,<2",
        "numpy=1.2.*,<3",
        "numpy<2|>3",
        "numpy~=1.2",
        "numpy!=1.3",
        "numpy=1!2.0",
        "numpy=1.26.4=pypi_0",
        "python=3.11.*=*_cpython",
        "libblas=*=*mkl",
        "pytorch=2.1.0+cu118",
        "conda-forge::numpy>=1,<2",
        "lab/label/dev::numpy",
        "channel:main:numpy",
        "__cuda>=12",
        "py*",
        "numpy>=1.20 # why",
        "numpy[version='>=1.2,<2', build=*py311*]",
        "numpy[version='(>=1,<2)|>3']",
        "pytorch[version=2.1,build='*cuda12*']",
        "pytorch[version=2.1 build=*cuda12*]",
        "pytorch[build='*cuda12*', version=2.1 ]",
        "requests[security]",
        "*[build=*cuda*]",
        "https://example.org/linux-64/numpy-1.26-0.conda",
        "/srv/numpy-1.26-0.conda",
    ],
)
def test_what_conda_reads_as_it_is_meant_passes(spec: str) -> None:
    check(spec)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("numpy (>=1.2)", "Write 'numpy >=1.2',"),  # conda takes any version
        ("blas=2.*=^(open|mk)l.*$", "drops what stands in parentheses"),  # conda asks for builds like ^l.*$
        ("numpy if win", "drops the condition"),
        ("conda-forge:numpy", "Did you mean 'conda-forge::numpy'?"),  # conda takes it from any channel
        ("python:3.11", "Did you mean 'python=3.11'?"),  # conda looks for a package 3.11
        ("python numpy pandas", "takes 'numpy' for the version of 'python'"),
        ("pip install requests", "takes 'install' for the version of 'pip'"),
        ("requirements.txt", "takes '-r requirements.txt'"),
        ("numpy=>1.2", "Did you mean 'numpy>=1.2'?"),
        ("numpy=<1.2", "Did you mean 'numpy<=1.2'?"),  # conda leaves 1.2 out
        ("numpy<", "'<'"),  # conda takes any version
        ("numpy>=1.20,", "a comma with nothing beside it"),
        ("numpy,>=1.20", "the name 'numpy,'"),
        ("numpy>==1.20", "'>==1.20'"),
        ("numpy===1.2", "'===1.2'"),
        ("numpy~1.2", "'~1.2'"),
        ("numpy^1.2", "the name 'numpy^1.2'"),
        ("numpy@1.2", "the name 'numpy@1.2'"),
        ("numpy >=1 <2", "'>=1<2'"),
        ("numpy 1 <2", "'1<2'"),
        ("setuptools <59.6.", "'<59.6.'"),
        ("numpy=1..2", "'=1..2'"),
        ("numpy!1", "'!1'"),
        ("numpy[version='>=1.2,']", "a comma with nothing beside it"),
        ("numpy[version=1..2,build='*_0']", "'1..2'"),
        ("numpy[version=>=1 <2, build='*_0']", "'>=1<2'"),  # conda leaves <2 out
        ("numpy[version='>=1.2'", "without its other half"),
    ],
)
def test_what_conda_cannot_read_or_reads_without_a_part_is_refused(spec: str, said: str) -> None:
    with pytest.raises(SpecificationError) as error:
        parse({"channels": ["lab"], "dependencies": [spec]})
    assert said in f"{error.value.cause} {error.value.way_out}"
