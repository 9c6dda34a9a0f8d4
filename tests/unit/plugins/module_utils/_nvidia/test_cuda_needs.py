# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia import cuda, cuda_needs
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia.cuda import Need


def record(name: str, version: str = "1.0", build: str = "0", **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "version": version, "build": build, **more}


# As conda-forge, pytorch and defaults have them.
@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (record("cuda-version", "12.8", constrains=["cudatoolkit 12.8|12.8.*", "__cuda >=12"]), [(12, 8), (12, 0)]),
        (record("cudatoolkit", "11.8.0", "h6a678d5_0"), [(11, 8)]),
        (record("pytorch-cuda", "12.4", "hc786d27_7"), [(12, 4)]),
        (record("cuda-cudart", "12.6.77", "h5888daf_0"), [(12, 6)]),
        (record("pytorch", "2.6.0", "cuda126_mkl_py311_hecc9e1d_301", depends=["__cuda *"]), [(12, 6)]),
        (record("pytorch", "2.4.1", "py3.11_cuda12.1_cudnn9.1.0_0"), [(12, 1)]),
        (record("pytorch", "1.7.1", "cuda92py37hc3ec645_1"), [(9, 2)]),
        (record("jaxlib", "0.4.23", "cuda12py311_0"), [(12, 0)]),
        (record("tensorflow", "2.10.0", "cuda112py310he87a039_0"), [(11, 2)]),
        (record("jaxlib", "0.4.31", "cuda120py311h3c1d3d2_200", depends=["__cuda >=12.0,<13", "numpy"]), [(12, 0), (12, 0)]),
        (record("pytorch", "2.6.0", "cpu_mkl_py311_h1234_100"), []),
        (record("torch", "2.0", "cuda_0"), []),
        (record("libcudnn", "9.3.0.75", "hc149e34_0", depends=["cuda-version >=12,<13.0a0"]), []),
        (record("numpy", "2.1.3"), []),
    ],
)
def test_conda_packages(item: dict[str, t.Any], expected: list[tuple[int, int]]) -> None:
    found = cuda_needs.of_records([item])
    assert [need.cuda for need in found] == expected
    assert all(item["name"] in need.package for need in found)


def test_what_a_package_says_itself_of_the_driver_is_strict() -> None:
    assert cuda_needs.of_records([record("a", depends=["__cuda >=12.8"])]) == [Need((12, 8), "a 1.0", strict=True)]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("cuda-version=12.8", [(12, 8)]),
        ("cuda-version 12.8.*", [(12, 8)]),
        ("conda-forge::cuda-version>=13,<14", [(13, 0)]),
        ("pytorch-cuda==12.4", [(12, 4)]),
        ("cuda-version", []),
        ("conda-forge::cuda-compat", [cuda.UNKNOWN]),
        ("cuda-compat=13.0", [(13, 0), cuda.UNKNOWN]),
        ("cuda-compat-impl", []),
        ("cuda-version<13", []),
        ("numpy=2.1", []),
    ],
)
def test_what_a_file_asks_for(spec: str, expected: list[tuple[int, int]]) -> None:
    assert [need.cuda for need in cuda_needs.of_specs([spec])] == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("torch==2.6.0+cu126", [(12, 6)]),
        ("torch==2.6.0+cpu", []),
        ("--extra-index-url https://download.pytorch.org/whl/cu118", [(11, 8)]),
        ("--index-url=https://mirror.example/whl/nightly/cu130/", [(13, 0)]),
        ("--extra-index-url https://download.pytorch.org/whl/cpu", []),
        ("nvidia-cuda-runtime-cu12==12.8.90", [(12, 8)]),
        ("nvidia-cuda-runtime==13.0.48", [(13, 0)]),
        ("nvidia-cublas-cu12==12.9.1.4", [(12, 0)]),
        ("nvidia_cudnn_cu11", [(11, 0)]),
        ("jax[cuda12]==0.4.30", [(12, 0)]),
        ("jax[cuda12_pip]", [(12, 0)]),
        ("jax[cuda12_local]", [(12, 0)]),
        ("jax[cuda12-local]", [(12, 0)]),
        ("flash-attn==2.7.4+cu12torch2.6cxx11abiFALSE", [(12, 0)]),
        ("cupy-cuda12x", [(12, 0)]),
        ("cupy-cuda112==10.0", [(11, 2)]),
        ("cudf-cu12==24.10.* ; sys_platform == 'linux'", [(12, 0)]),
        ('torch==2.6.0+cu126; platform_system=="Linux"', [(12, 6)]),
        ("cudf-cu12==24.10.* ; python_version < '3.13'", []),
        ("torch==2.9.0+cu130 ; sys_platform == 'win32'", []),
        ("torch==2.7.1+cu92", [(9, 2)]),
        ("# torch==2.6.0+cu126", []),
        ("requests==2.32.3", []),
        ("mycu12==1.0", []),
    ],
)
def test_lines_for_pip(line: str, expected: list[tuple[int, int]]) -> None:
    assert [need.cuda for need in cuda_needs.of_requirements([line])] == expected


def test_what_pip_has_chosen() -> None:
    chosen = [("torch", "2.6.0"), ("nvidia-cuda-runtime-cu12", "12.4.127"), ("nvidia-nccl-cu12", "2.21.5")]
    assert [need.cuda for need in cuda_needs.of_distributions(chosen)] == [(12, 4), (12, 0)]
    of_jax = [("jaxlib", "0.4.23+cuda12.cudnn89"), ("jax-cuda13-plugin", "0.7.2"), ("jax_cuda13_pjrt", "0.7.2")]
    assert [need.cuda for need in cuda_needs.of_distributions(of_jax)] == [(12, 0), (13, 0), (13, 0)]
