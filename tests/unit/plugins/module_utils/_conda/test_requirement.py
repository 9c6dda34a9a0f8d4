# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import SpecificationError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.requirement import check
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import parse


@pytest.mark.parametrize(
    "line",
    [
        "numpy",
        "numpy==1.26.4",
        "numpy >= 1.2, < 2 ,",
        "numpy (>=1.2)",
        "numpy===2024a-anything",
        "numpy~=1.2 ; python_version < '3.9'",
        "numpy[all,more]>=1",
        "numpy # why",
        "numpy @ https://example.org/numpy.whl",
        "numpy@git+https://example.org/numpy.git@v1",
        "git+https://example.org/numpy.git@v1#egg=numpy",
        "https://example.org/numpy.whl --hash=sha256:0a",
        "https://github.com/a/b/archive/main.zip",
        "git+https://github.com/a/b",
        "https://github.com/a/b/archive/main.zip",
        "git+https://github.com/a/b",
        "numpy==1 --hash=sha256:0a --hash sha512:0b",
        "numpy==1 --config-settings=x=y",
        "/srv/numpy.whl",
        "${PLACE}/numpy",
        "--index-url https://example.org/simple",
        "-i https://example.org/simple --extra-index-url=https://example.org/more --pre",
        "-fhttps://example.org/files",
        "-e git+https://example.org/numpy.git#egg=numpy",
        '-e "/srv/a place"',
        "--no-binary :all:",
        "--an-option-of-tomorrow value",
    ],
)
def test_what_pip_reads_passes(line: str) -> None:
    check(line)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("numpy=1.26", "Did you mean 'numpy==1.26'?"),
        ("numpy=1.26.4=py311_0", "Did you mean 'numpy==1.26.4'?"),
        ("numpy==1.26.4=pypi_0", "Did you mean 'numpy==1.26.4'?"),
        ("numpy=>1.2", "Did you mean 'numpy>=1.2'?"),
        ("numpy^1.2", "which pip cannot read"),
        ("numpy >=1.2 <2", "which pip cannot read"),
        ("numpy 1.2", "which pip cannot read"),
        ('x = EditableRequirement { url: "." }', "which pip cannot read"),
        ("markdown === 3.3.6 --hash=md5:None", "the hash 'md5:None'"),
        ("git+https://example.org/a.git?rev=0f1e", "expected 'git+https://example.org/a.git@0f1e'"),
        ("a @ git+https://example.org/a.git?branch=main", "expected 'git+https://example.org/a.git@main'"),
        # pip takes the option, and never hears of the package.
        ("-f https://example.org/files jaxlib==0.1", "Make 'jaxlib==0.1' an item of its own."),
        ("--no-index numpy", "Make 'numpy' an item of its own."),
        ('--trusted-host "a', "Close the quotes."),
        ("requirements.txt", "Did you mean '-r requirements.txt'?"),
        ("https://github.com/a/b", "Did you mean 'git+https://github.com/a/b'?"),
        ("https://git.lab.example/a/b.git@v1", "Did you mean 'git+https://git.lab.example/a/b.git@v1'?"),
        ("requirements.txt", "Did you mean '-r requirements.txt'?"),
        ("https://github.com/a/b", "Did you mean 'git+https://github.com/a/b'?"),
        ("https://git.lab.example/a/b.git@v1", "Did you mean 'git+https://git.lab.example/a/b.git@v1'?"),
        ("--group dev", "which pip does not take there"),
    ],
)
def test_what_pip_cannot_read_or_reads_without_a_part_is_refused(line: str, said: str) -> None:
    with pytest.raises(SpecificationError) as error:
        parse({"channels": ["lab"], "dependencies": ["pip", {"pip": [line]}]})
    assert said in f"{error.value.cause} {error.value.way_out}"


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
    check(line)


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
        check(line)
    assert f"'{target}'" in caught.value.cause
