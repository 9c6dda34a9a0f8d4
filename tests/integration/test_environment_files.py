# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment files as labs have them: what a real conda makes of them."""

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import SpecificationError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import package_name, parse
from ansible_collections.openlab.research_server.tests.data.corpus import Case, arguments, cases, understand
from ansible_collections.openlab.research_server.tests.integration.real_conda import Conda

CREATED = [case.name for case in cases() if "creates" in case.expected]
# Where conda itself understands nothing, or something that nobody meant.
REFUSED_BY_CONDA = ["lib=[x", "lib==", "=1.0", "lib=1.2,", "lib<1>", "lib[colour=red]", "lab::", "lib=1=2=3", "lib>=1 <2"]
MATCH_SPEC = """
import json, sys
from conda.models.match_spec import MatchSpec
found = []
for text in json.load(sys.stdin):
    try:
        found.append(MatchSpec(text).name)
    except Exception as error:
        found.append({"error": str(error)})
print(json.dumps(found))
"""


def names(conda: Conda, specs: list[str]) -> list[t.Any]:
    """Name of each match specification as the installation's own conda reads it."""
    command = [conda.root / "bin/python", "-I", "-c", MATCH_SPEC]
    done = subprocess.run(command, input=json.dumps(specs), capture_output=True, text=True, check=True)
    found: list[t.Any] = json.loads(done.stdout)
    return found


def test_conda_reads_the_same_names(conda: Conda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specs: list[str] = []
    for case in cases(channels=conda.channels, wheels=conda.wheels):
        if case.valid:
            for name, value in case.expected.get("environment", {}).items():
                monkeypatch.setenv(name, value)
            specs += understand(case, case.write(tmp_path / case.name)).conda
    # A package's path names no package until conda looks into the file.
    specs = [spec for spec in dict.fromkeys(specs) if not spec.startswith("/")]
    # Where its solver is rattler, conda 26 knows extras, and refuses pip's way of writing them.
    read = {spec: name for spec, name in zip(specs, names(conda, specs), strict=True) if "extras=[" not in str(name)}
    assert len(read) > 100
    assert read == {spec: package_name(spec) for spec in read}


def test_what_conda_does_not_understand_is_refused(conda: Conda) -> None:
    for spec, found in zip(REFUSED_BY_CONDA, names(conda, REFUSED_BY_CONDA), strict=True):
        assert isinstance(found, dict), spec
    for spec in REFUSED_BY_CONDA:
        definition = {"channels": ["lab"], "dependencies": [spec]}
        failed = conda.run(name="misread", definition=definition, check=True)
        told = ("a dependency cannot be understood", "which conda does not read as it is meant", "without its other half")
        assert any(text in failed["msg"] for text in told), (spec, failed)
        assert failed["msg"].startswith("conda environment 'misread': ")


def test_what_conda_misunderstands_is_refused_before(conda: Conda) -> None:
    """conda 24.7 takes each of these for a package; newer versions have learnt to refuse most."""
    misread = ["lib{{ version }}", "$LIB", "lib @ https://h.example/lib.whl", "git+https://h.example/lib", "lib.conda"]
    assert any(isinstance(found, str) for found in names(conda, misread))
    for spec in misread:
        with pytest.raises(SpecificationError):
            parse({"channels": ["lab"], "dependencies": [spec]})


@pytest.fixture
def case(request: pytest.FixtureRequest, conda: Conda) -> Case:
    return next(case for case in cases(channels=conda.channels, wheels=conda.wheels) if case.name == request.param)


@pytest.fixture
def nobodys_settings(conda: Conda) -> t.Iterator[None]:
    places = [conda.root / ".condarc", conda.home / ".condarc"]
    kept = [place.read_text() for place in places]
    for place in places:
        place.write_text(f"channels: []\ndefault_channels: []\nchannel_alias: file://{conda.channels}\n")
    yield
    for place, text in zip(places, kept, strict=True):
        place.write_text(text)


def solved(conda: Conda, path: Path) -> set[str]:
    """Name, version and build of each package that conda itself would take; older versions answer with an environment file.

    Its solver rattler finds no `channel::package` where `channel_alias` says where the channel is.
    """
    output = conda.conda("env", "create", "--solver=classic", "--dry-run", "--json", "-n", "none", "-f", str(path))
    found = json.loads(output[output.index("{") :])
    if "actions" in found:
        return {"{name}={version}={build_string}".format(**item) for item in found["actions"]["LINK"]}
    return {item.partition("::")[2].replace("==", "=", 1) for item in found["dependencies"] if isinstance(item, str)}


# What `conda env create` does not understand or loses: channels of a task, selectors, `pip:` without lines, the place in a URL.
OURS_ALONE = {"no-channels-of-its-own", "selectors", "pip-empty", "package-url-created"}
# Lines that say nothing, over which newer versions stumble: `nodefaults` without defaults, keys without a value.
SAYING_NOTHING = {
    "exported": ["  - nodefaults\n"],
    "pip-created": [", nodefaults"],
    "empty-values": ["name:\n", "prefix: ~\n", "variables:\n"],
}


@pytest.mark.cases(10)
@pytest.mark.usefixtures("nobodys_settings")
@pytest.mark.parametrize("case", CREATED, indirect=True)
def test_a_file_is_created_as_it_says_and_as_conda_does(conda: Conda, case: Case, tmp_path: Path) -> None:
    path = case.write(tmp_path)
    task = {"name": "corpus", "keep_generations": 0, "channels": case.expected.get("task_channels", []), **arguments(path)}
    made = conda.run(**task)
    assert not made.get("failed"), made["msg"]
    assert made["changed"]
    expected = case.expected["creates"]
    listed = {item["name"]: f"{item['version']}={item['build']}" for item in made["packages"]}
    if "python" in listed:
        assert {name: found for name, found in listed.items() if name in expected} == expected
    else:
        assert listed == expected
    again = conda.run(**task)
    assert (again.get("msg"), again["changed"]) == (None, False)
    if case.name not in OURS_ALONE:
        for text in SAYING_NOTHING.get(case.name, ()):
            path.write_text(path.read_text().replace(text, ""))
        assert {f"{name}={found}" for name, found in listed.items() if not found.endswith("=pypi_0")} == solved(conda, path)
