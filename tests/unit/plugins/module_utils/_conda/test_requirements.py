# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import SpecificationError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.requirements import (
    check_local,
    logical_lines,
    nested_file,
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-r more.txt", ("-r", "more.txt")),
        ("-rmore.txt", ("-r", "more.txt")),
        ("--requirement more.txt", ("--requirement", "more.txt")),
        ("--requirement=more.txt", ("--requirement", "more.txt")),
        ("-c 'a b.txt'  # limits", ("-c", "a b.txt")),
        ("-r https://h.example/r.txt", ("-r", "https://h.example/r.txt")),
        ("requests", None),
        ("# -r more.txt", None),
    ],
)
def test_files_named_in_requirements(line: str, expected: tuple[str, str] | None) -> None:
    assert nested_file(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "requests",
        "requests[security]>=2,<3",
        'tomli; python_version < "3.11"',
        "x; platform_machine == 'a/b'",
        "x==1 --hash=sha256:00",
        "x @ https://h.example/x.whl",
        "x[y]@git+https://h.example/x",
        "x @ file:///srv/x.whl ; python_version > '3'",
        "x @ ${WHEELS}/x.whl",
        "https://h.example/x.tar.gz",
        "git+ssh://git@h.example/a/b.git",
        "/srv/x-1-py3-none-any.whl",
        "/srv/code/x[extra]",
        "file://localhost/srv/x.tar.gz",
        "-e /srv/code/x",
        "-e git+https://h.example/x#egg=x",
        "-f /srv/wheels",
        "--find-links https://h.example/w",
        "-i https://h.example/simple",
        "--extra-index-url=https://h.example",
        "--only-binary=:all:",
        "--pre",
        "-r more/a.txt",
        "-c limits.txt",
        "# ./x.whl",
    ],
)
def test_what_a_managed_host_has(line: str) -> None:
    check_local(line)


@pytest.mark.parametrize(
    ("line", "target"),
    [
        (".", "."),
        ("..", ".."),
        ("./x", "./x"),
        ("~/x", "~/x"),
        (".[dev]", ".[dev]"),
        ("x.whl", "x.whl"),
        ("x-1.tar.gz[extra]", "x-1.tar.gz[extra]"),
        ("wheels/x.whl ; python_version > '3'", "wheels/x.whl"),
        ("code/x", "code/x"),
        ("C:\\Users\\ada\\x", "C:\\Users\\ada\\x"),
        ("c:/wheels/x[dev]", "c:/wheels/x[dev]"),
        ("\\\\server\\share\\x", "\\\\server\\share\\x"),
        ("file:x.whl", "file:x.whl"),
        ("file://./x.whl", "file://./x.whl"),
        ("-e .", "."),
        ("-e.", "."),
        ("-e x[dev]", "x[dev]"),
        ("--editable=../x", "../x"),
        ("x @ ./x.whl", "./x.whl"),
        ("x[y] @ file:x.whl", "file:x.whl"),
        ("-f wheels", "wheels"),
        ("--find-links 'my wheels'", "my wheels"),
        ("--index-url=../simple", "../simple"),
    ],
)
def test_what_exists_on_the_controller_alone(line: str, target: str) -> None:
    with pytest.raises(SpecificationError, match="found the local path") as caught:
        check_local(line)
    assert f"'{target}'" in caught.value.cause


def test_lines_that_continue() -> None:
    assert logical_lines("a==1 \\\n  --hash=x \\\r\n  --hash=y\n\n b \n# c") == ["a==1 --hash=x --hash=y", "b", "# c"]
