# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels become conda packages."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from channel.conda_channel import PLACEHOLDER
from channel.wheels import Wheel, conda_spec, to_package, unmet, wanted_extras
from packaging.requirements import Requirement


@pytest.mark.parametrize(
    ("requirement", "spec"),
    [
        ("numpy", "numpy"),
        ("jupyter-server<3,>=2.4.0", "jupyter_server <3,>=2.4.0"),
        ("ipython!=8.0.*,>=7", "ipython !=8.0.*,>=7"),
        ("tornado==6.5", "tornado ==6.5"),
        ("tornado==6.*", "tornado 6.*"),
        ("traitlets~=5.4.1", "traitlets >=5.4.1,5.4.*"),
        ("json5~=0.9", "json5 >=0.9,0.*"),
        ("legacy===1.0+local", "legacy ==1.0+local"),
        ("Typing_Extensions>=4; python_version < '3.13'", "typing_extensions >=4"),
        ("jsonschema[format-nongpl]>=4.18.0", "jsonschema >=4.18.0"),
    ],
)
def test_requirement_in_condas_syntax(requirement: str, spec: str) -> None:
    assert conda_spec(Requirement(requirement)) == spec


def make_wheel(folder: Path, name: str, *, tag: str = "py3-none-any", requires: tuple[str, ...] = (), **more: str) -> Wheel:
    path = folder / f"{name}-1.0-{tag}.whl"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Python: >=3.9\n"
    metadata += "".join(f"Requires-Dist: {each}\n" for each in requires)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "x = 1\n")
        archive.writestr(f"{name}-1.0.dist-info/METADATA", metadata)
        archive.writestr(f"{name}-1.0.dist-info/entry_points.txt", f"[console_scripts]\n{name}-run = {name}.cli:app.main [all]\n")
        for inside, content in more.items():
            archive.writestr(f"{name}-1.0.data/{inside.replace('__', '/')}", content)
        archive.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return Wheel.open(path)


def test_markers_are_those_of_the_servers_and_extras_become_dependencies(tmp_path: Path) -> None:
    first = make_wheel(tmp_path, "first", requires=("second[fast]>=1", "colorama; sys_platform == 'win32'"))
    second = make_wheel(tmp_path, "second", requires=("turbo>=3; extra == 'fast'", "docs; extra == 'docs'"))
    extras = wanted_extras({"first": first, "second": second})
    assert to_package(first, extras["first"]).depends == ("python >=3.9", "second >=1")
    assert to_package(second, extras["second"]).depends == ("python >=3.9", "turbo >=3")


def test_requirements_that_nothing_meets_are_found(tmp_path: Path) -> None:
    first = make_wheel(tmp_path, "first", requires=("second>=1", "second>=2", "third", "fourth; extra == 'more'"))
    second = make_wheel(tmp_path, "second")
    assert unmet([first, second]) == ["first 1.0: second>=2", "first 1.0: third"]


def test_pure_wheel_is_a_noarch_package(tmp_path: Path) -> None:
    package = to_package(make_wheel(tmp_path, "pure", scripts__tool="#!python\nprint(1)\n", data__share__pure__x="y"))
    assert (package.noarch, package.subdir) == ("python", "noarch")
    assert package.entry_points == ("pure-run = pure.cli:app.main",)
    assert package.files["site-packages/pure/__init__.py"].data == b"x = 1\n"
    script = package.files["python-scripts/tool"]
    assert script.executable
    assert script.data == f"#!{PLACEHOLDER}/bin/python\nprint(1)\n".encode()
    assert package.files["share/pure/x"].data == b"y"
    assert package.files["site-packages/pure-1.0.dist-info/INSTALLER"].data == b"conda\n"
    record = package.files["site-packages/pure-1.0.dist-info/RECORD"].data.decode().splitlines()
    assert "../../../bin/tool,," in record
    assert any(line.startswith("../../../share/pure/x,sha256=") for line in record)
    assert any(line.startswith("pure/__init__.py,sha256=") and line.endswith(",6") for line in record)


def test_binary_wheel_belongs_to_one_python_and_brings_its_commands(tmp_path: Path) -> None:
    package = to_package(make_wheel(tmp_path, "fast", tag="cp311-cp311-manylinux_2_28_x86_64"))
    assert (package.noarch, package.subdir, package.entry_points) == (None, "linux-64", ())
    assert package.depends == ("python >=3.11,<3.12.0a0",)
    assert "lib/python3.11/site-packages/fast/__init__.py" in package.files
    command = package.files["bin/fast-run"]
    assert command.executable
    assert command.data.decode().splitlines()[-3:] == ["from fast.cli import app", "", "sys.exit(app.main())"]
