# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of an environment, against a real conda: frozen, kept, given back, checked, given to others, removed."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.tests.integration.real_conda import Conda, plain
from channel.conda_channel import File, write_package, write_repodata


def foretold(conda: Conda, **arguments: t.Any) -> dict[str, t.Any]:
    """Run in check mode and then really: both say the same, and a third run has nothing to do."""
    told = conda.run(check=True, **arguments)
    done = conda.run(**arguments)
    assert not done.get("failed"), done
    for key in ("changed", "plan", "diff", "notes"):
        assert told.get(key) == done.get(key), key
    again = conda.run(**arguments)
    assert (again.get("changed"), again["plan"]["action"]) == (False, "none"), again
    return done


def lab(*dependencies: t.Any, **more: t.Any) -> dict[str, t.Any]:
    return {"channels": ["lab", "other"], "dependencies": list(dependencies), **more}


def test_an_environment_is_frozen_and_thawed_without_building(conda: Conda) -> None:
    made = foretold(conda, name="still", definition=lab("lib=1.0"), frozen=True, frozen_message="Ask Ada")
    marker = conda.environment("still") / "conda-meta/frozen"
    assert json.loads(marker.read_text()) == {"message": "Ask Ada"}
    assert "frozen: Ask Ada" in made["diff"]["after"].splitlines()
    assert made["plan"]["install"] == [f"lib 1.0 0 file://{conda.channels}/lab"]
    assert conda.packages("still") == {"lib": "1.0=0"}

    changed = foretold(conda, name="still", definition=lab("lib=1.0"), frozen=True, frozen_message="Ask Grace")
    reasons = ["its frozen marker says something else"]
    assert changed["plan"] == {"action": "adjust", "reasons": reasons, "install": [], "remove": []}
    assert (changed["diff"]["before"], changed["diff"]["after"]) == ("frozen: Ask Ada\n", "frozen: Ask Grace\n")
    thawed = foretold(conda, name="still", definition=lab("lib=1.0"))
    assert thawed["plan"]["reasons"] == ["it is frozen"]
    assert not os.path.lexists(marker)
    assert made["generation"] == thawed["generation"]


def test_a_marker_that_somebody_touched_is_corrected(conda: Conda) -> None:
    frozen = {"name": "melted", "definition": lab("lib=1.0"), "frozen": True}
    made = conda.run(**frozen)
    marker = conda.environment("melted") / "conda-meta/frozen"
    text = marker.read_text()
    marker.unlink()
    assert foretold(conda, **frozen)["plan"]["reasons"] == ["it is not frozen"]
    marker.write_text("{")
    corrected = foretold(conda, **frozen)
    assert corrected["plan"]["reasons"] == ["its frozen marker says something else"]
    assert (corrected["generation"], marker.read_text()) == (made["generation"], text)


def test_the_module_works_through_the_marker(conda: Conda) -> None:
    conda.run(name="through", definition=lab("lib=1.0"), frozen=True)
    changed = foretold(conda, name="through", definition=lab("lib=1.1"), frozen=True)
    assert changed["plan"]["action"] == "replace"
    assert (conda.environment("through") / "conda-meta/frozen").exists()
    assert foretold_absent(conda, "through")["changed"]


def foretold_absent(conda: Conda, name: str) -> dict[str, t.Any]:
    return foretold(conda, name=name, state="absent")


def test_people_get_the_former_generation_back(conda: Conda) -> None:
    good = conda.make("returning", "app=1")
    bad = conda.make("returning", "app=2")
    done = foretold(conda, name="returning", state="rolled_back")
    alias = f"file://{conda.channels}/lab"
    assert done["plan"]["action"] == "roll_back"
    assert done["plan"]["install"] == [f"app 1.0 0 {alias}", f"lib 1.1 0 {alias}"]
    assert done["plan"]["remove"] == [f"app 2.0 0 {alias}", f"lib 2.0 0 {alias}"]
    assert done["generation"] == good["generation"]
    assert conda.packages("returning") == {"app": "1.0=0", "lib": "1.1=0"}
    # The specification that was good is there already; the bad one is built again, and what people had is kept.
    assert not conda.make("returning", "app=1")["changed"]
    again = foretold(conda, name="returning", definition=lab("app=2"))
    assert again["plan"]["action"] == "replace"
    assert conda.packages("returning")["app"] == "2.0=0"
    assert os.path.isdir(good["generation"])
    assert not os.path.lexists(bad["generation"])


def test_a_generation_can_be_named(conda: Conda) -> None:
    made = [conda.make("named", f"lib={version}", keep_generations=2)["generation"] for version in ("1.0", "1.1", "2.0")]
    foretold(conda, name="named", state="rolled_back", generation=os.path.basename(made[0]))
    assert conda.packages("named") == {"lib": "1.0=0"}
    foretold(conda, name="named", state="rolled_back", generation=made[2])
    assert conda.packages("named") == {"lib": "2.0=0"}
    failed = conda.run(name="named", state="rolled_back", generation="named-000000000000.1")
    assert all(os.path.basename(path) in failed["msg"] for path in made[:2])


def test_without_a_former_generation_nothing_is_done(conda: Conda) -> None:
    conda.make("lonely", "lib=1.0")
    for check in (True, False):
        failed = conda.run(name="lonely", state="rolled_back", check=check)
        assert failed["msg"].startswith("conda environment 'lonely': there is no former generation")
    assert conda.packages("lonely") == {"lib": "1.0=0"}
    assert "no former generation" in conda.run(name="never-made", state="rolled_back")["msg"]


def test_what_stood_there_before_comes_back(conda: Conda) -> None:
    channel = f"file://{conda.channels}/lab"
    conda.conda("create", "-y", "-q", "-n", "own-again", "--override-channels", "-c", channel, "single")
    conda.make("own-again", "lib=1.0")
    done = foretold(conda, name="own-again", state="rolled_back")
    assert done["plan"]["install"] == [f"single 1.0 0 {channel}"]
    assert conda.packages("own-again") == {"single": "1.0=0"}
    assert conda.make("own-again", "lib=1.0")["changed"]


def by_hand(conda: Conda, name: str, *specs: str, channel: str = "lab") -> None:
    place = f"file://{conda.channels}/{channel}"
    conda.conda("install", "-y", "-q", "-n", name, "--no-pin", "--override-channels", "-c", place, *specs)


def test_what_people_added_stays_if_the_task_says_so(conda: Conda) -> None:
    wanted = {"name": "open", "definition": lab("lib=1.0", channels=["lab"]), "prune": False}
    made = conda.run(**wanted)
    by_hand(conda, "open", "single")
    assert not foretold(conda, **wanted)["changed"]  # an addition is no reason to build
    by_hand(conda, "open", "rare", channel="other")
    changed = foretold(conda, **{**wanted, "definition": lab("lib=1.1", channels=["lab"])})
    assert changed["plan"]["reasons"] == ["the specification has changed"]
    assert conda.packages("open") == {"lib": "1.1=0", "single": "1.0=0", "rare": "1.0=0"}
    assert changed["generation"] != made["generation"]
    conda.conda("remove", "-y", "-q", "-n", "open", "--no-pin", "single")
    assert not foretold(conda, **{**wanted, "definition": lab("lib=1.1", channels=["lab"])})["changed"]
    pruned = foretold(conda, name="open", definition=lab("lib=1.1", channels=["lab"]))
    assert pruned["plan"]["reasons"] == ["packages beyond the specification were kept: rare"]
    assert conda.packages("open") == {"lib": "1.1=0"}


def test_what_cannot_stay_is_named(conda: Conda) -> None:
    conda.make("stuck", "lib=1.0", prune=False)
    by_hand(conda, "stuck", "old", "single")
    for check in (True, False):
        failed = conda.run(name="stuck", definition=lab("lib=2.0"), prune=False, check=check)
        assert "what 'prune: false' keeps does not go with the specification (old 1.0 0)" in failed["msg"], failed["msg"]
        assert "prune: true" in failed["msg"]
    assert conda.packages("stuck") == {"lib": "1.0=0", "old": "1.0=0", "single": "1.0=0"}


def pip(conda: Conda, name: str, *arguments: str) -> None:
    python = conda.environment(name) / "bin/python"
    wheels = ["--no-index", f"--find-links={conda.wheels}"]
    subprocess.run([python, "-I", "-m", "pip", "--isolated", "install", *wheels, *arguments], check=True, capture_output=True)


def test_pip_packages_stay_and_shadows_do_not(conda: Conda) -> None:
    source = {"pip": ["--no-index", f"--find-links={conda.wheels}"]}
    definition = {"channels": ["conda-forge"], "dependencies": ["python=3.11", "alpha=1", source]}
    wanted = {"name": "mixed", "definition": definition, "prune": False}
    conda.run(**wanted)
    pip(conda, "mixed", "tiny==1.0")
    assert not foretold(conda, **wanted)["changed"]
    pip(conda, "mixed", "alpha==2.0.0")
    mended = foretold(conda, **wanted)
    reasons = mended["plan"]["reasons"]
    assert "pip package alpha 2.0.0 shadows conda package alpha 1.1.0" in reasons, reasons
    assert conda.packages("mixed")["alpha"].startswith("1.1.0=py")
    assert conda.packages("mixed")["tiny"] == "1.0=pypi_0"
    foretold(conda, **{**wanted, "prune": True})
    assert "tiny" not in conda.packages("mixed")


@pytest.mark.parametrize("how", ["missing", "replaced", "in place, in the package cache as well"])
def test_damaged_files_are_found_and_mended(conda: Conda, how: str) -> None:
    wanted = {"name": "damaged", "definition": lab("lib=1.0", "single"), "verify": "full"}
    assert not conda.run(**wanted).get("failed")
    file = conda.environment("damaged") / "share/lib"
    text = file.read_text()
    if how == "missing":
        file.unlink()
    elif how == "replaced":
        file.unlink()
        file.write_text(text.upper())
    else:
        assert file.stat().st_nlink > 1
        with file.open("r+") as handle:
            handle.write("LIB")
    assert not conda.run(check=True, **{**wanted, "verify": "metadata"})["changed"]
    # The nightly look finds what a person has done, and says how it is repaired.
    assert "verify=full" in conda.run(check=True, **{**wanted, "verify": "files"})["diff"]["after"]
    mended = foretold(conda, **wanted)
    problem = "missing" if how == "missing" else "altered"
    assert mended["plan"]["reasons"] == [f"1 file is not as installed: share/lib ({problem})"]
    assert file.read_text() == text


def test_what_a_package_changes_itself_is_no_damage(conda: Conda) -> None:
    script = "bin/.moody-post-link.sh"
    moody = plain("moody", "1.0")
    run = File.text('#!/bin/sh\necho changed > "$PREFIX/share/moody"\n', executable=True)
    write_package(conda.channels / "moods", dataclasses.replace(moody, files={**moody.files, script: run}))
    write_repodata(conda.channels / "moods")
    wanted = {"name": "moody", "definition": lab("moody", channels=["moods"])}
    conda.run(**wanted)
    assert (conda.environment("moody") / "share/moody").read_text() == "changed\n"
    for level in ("files", "full"):
        assert not conda.run(**wanted, verify=level)["changed"]
    (conda.environment("moody") / "share/moody").write_text("changed again\n")
    for level in ("files", "full"):
        found = conda.run(**wanted, verify=level, check=True)
        assert found["plan"]["reasons"] == ["1 file is not as installed: share/moody (altered)"]
    foretold(conda, **wanted, verify="full")
    assert not conda.run(**wanted, verify="files")["changed"]


def test_conda_lists_an_environment_elsewhere_until_it_is_absent(conda: Conda, tmp_path: Path) -> None:
    prefix = tmp_path / "place/elsewhere"
    prefix.parent.mkdir()
    foretold(conda, prefix=str(prefix), definition=lab("lib"))

    def listed() -> list[str]:
        """As a person without root's rights: for root, conda reads the lists of all users, but not of another HOME."""
        ask = "import conda.core.envs_manager as m; m.is_admin = lambda: False; print(*m.list_all_known_prefixes(), sep='\\n')"
        command, variables = [conda.root / "bin/python", "-c", ask], {"HOME": str(conda.home)}
        return subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout.splitlines()

    assert str(prefix) in listed()
    own = conda.home / ".conda/environments.txt"
    own.write_text(own.read_text() + f"{prefix.resolve()}\n/srv/of-somebody-else\n")
    foretold(conda, prefix=str(prefix), state="absent")
    assert own.read_text().splitlines()[-1] == "/srv/of-somebody-else"
    assert "elsewhere" not in own.read_text()
    assert str(prefix) not in listed()


def test_a_program_leads_to_its_installation(conda: Conda, tmp_path: Path) -> None:
    (tmp_path / "conda").symlink_to(conda.root / "bin/conda")
    wanted = {"name": "led", "definition": lab("lib"), "executable": str(tmp_path / "conda"), "conda_root": "/nowhere"}
    made = foretold(conda, **wanted)
    assert made["prefix"] == str(conda.environment("led"))
    alone = tmp_path / "micromamba"
    alone.write_text("")
    alone.chmod(0o755)
    failed = conda.run(**{**wanted, "executable": str(alone)})
    assert "does not belong to a conda installation" in failed["msg"]


PLUGIN = """
from conda.base.context import context
from conda.common.configuration import PrimitiveParameter
from conda.exceptions import CondaError
from conda.plugins import hookimpl
from conda.plugins.types import CondaPreCommand, CondaSetting

class CondaToSError(CondaError):
    pass

class CondaToSNonInteractiveError(CondaToSError):
    pass

def check(command):
    if not context.plugins.auto_accept_tos:
        raise CondaToSNonInteractiveError(f"Terms of Service have not been accepted for {context.channels[0]}")

@hookimpl
def conda_settings():
    yield CondaSetting("auto_accept_tos", "", PrimitiveParameter(False, element_type=bool))

@hookimpl
def conda_pre_commands():
    yield CondaPreCommand("check_tos", check, {"create"})
"""


@pytest.fixture
def terms(conda: Conda) -> t.Iterator[None]:
    """A plugin with the interface of the one that asks for terms of service."""
    places = next((conda.root / "lib").glob("python3.*/site-packages"))
    info = places / "some_terms-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-terms\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[conda]\nsome-terms = some_terms\n")
    (places / "some_terms.py").write_text(PLUGIN)
    configuration = conda.root / ".condarc"
    text = configuration.read_text()
    yield
    configuration.write_text(text)
    (places / "some_terms.py").unlink()
    shutil.rmtree(info)


def test_terms_of_service_are_respected(conda: Conda, terms: None) -> None:
    for check in (True, False):
        failed = conda.run(name="bound", definition=lab("lib"), check=check)
        assert "acceptance of its terms of service: Terms of Service have not been accepted for lab" in failed["msg"], failed
    assert not os.path.lexists(conda.environment("bound"))
    configuration = conda.root / ".condarc"
    configuration.write_text(configuration.read_text() + "plugins:\n  auto_accept_tos: true\n")
    assert foretold(conda, name="bound", definition=lab("lib"))["changed"]


def test_a_broken_installation_is_one_message(conda: Conda) -> None:
    package = next((conda.root / "lib").glob("python3.*/site-packages/conda"))
    package.rename(package.with_name("away"))
    try:
        failed = conda.run(name="halted", definition=lab("lib"))
    finally:
        package.with_name("away").rename(package)
    assert failed["msg"].startswith("conda environment 'halted': the conda installation does not work: No module named 'conda'")
    assert "miniconda" in failed["msg"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_belong_to_the_owner_and_the_cache_stays_as_it_was(conda: Conda) -> None:
    def owners(folder: Path) -> set[tuple[int, int]]:
        return {(path.lstat().st_uid, path.lstat().st_gid) for path in [folder, *folder.rglob("*")]}

    conda.make("shared", "lib=1.0")
    conda.make("given", "lib=1.0")
    wanted = {"name": "given", "definition": lab("lib=1.0"), "owner": "1234", "group": "2345", "frozen": True}
    given = foretold(conda, **wanted)
    assert given["plan"]["reasons"] == ["it belongs to root:root, not to 1234:2345"]
    prefix = conda.environment("given").resolve()
    assert owners(prefix) == {(1234, 2345)}
    assert (prefix / "share/lib").stat().st_nlink == 1
    assert owners(conda.root / "pkgs") == owners(conda.environment("shared").resolve()) == {(0, 0)}
    # As the owner may do: the change is noticed and undone, and nothing of it runs with the rights of root.
    (prefix / "conda-meta/pinned").write_text("lib=2\n")
    os.chown(prefix / "conda-meta/pinned", 1234, 2345)
    assert foretold(conda, **wanted)["changed"]
    refused = conda.run(**{**wanted, "definition": lab("lib=1.1"), "prune": False})
    assert "'prune: false' would install what 1234:2345 asked for" in refused["msg"]
    assert foretold(conda, **{**wanted, "definition": lab("lib=1.1")})["changed"]
    assert owners(conda.environment("given").resolve()) == {(1234, 2345)}


@pytest.fixture(scope="module")
def packed(conda: Conda, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive by the real conda-pack, of an environment of this module."""
    source = {"pip": ["--no-index", f"--find-links={conda.wheels}", "tiny==1.0"]}
    definition = {"channels": ["conda-forge"], "dependencies": ["python=3.11", "beta=2", "tool", source]}
    made = conda.run(name="packed", definition=definition, frozen=True)
    assert made.get("changed"), made
    archive = tmp_path_factory.mktemp("packed") / "packed.tar.gz"
    arguments = {"module": "conda_archive", "name": "packed", "conda_root": str(conda.root), "dest": str(archive)}
    program = str(Path(sys.executable).with_name("conda-pack"))
    assert conda.run(check=True, **arguments)["checksum"] == ""
    done = conda.run(conda_pack=program, **arguments)
    assert done.get("changed"), done
    subprocess.run(["sha256sum", "-c", f"{archive}.sha256"], check=True, cwd=archive.parent, capture_output=True)
    again = conda.run(conda_pack="/nowhere", **arguments)
    assert (again["changed"], again["checksum"], again["size"]) == (False, done["checksum"], archive.stat().st_size)
    with tarfile.open(archive) as file:
        assert not {".conda_env.json", "conda-meta/frozen"} & set(file.getnames())
    return archive


def test_an_archive_becomes_an_environment_without_conda(conda: Conda, packed: Path, tmp_path: Path) -> None:
    wanted = {"prefix": str(tmp_path / "unpacked"), "archive": str(packed), "remote_src": True, "smoke": ["beta", "tiny"]}
    made = foretold(conda, **wanted, conda_root=str(tmp_path / "no-conda"))
    assert "pip: tiny==1.0" in made["plan"]["install"]
    prefix = Path(made["generation"])
    for name in ("tool", "beta-cli"):
        # Activated: conda-pack lets Python programs look for their Python in the PATH.
        variables = {"PATH": f"{tmp_path}/unpacked/bin:{os.environ['PATH']}"}
        output = subprocess.run(
            [name], env=variables, executable=tmp_path / "unpacked/bin" / name, check=True, capture_output=True, text=True
        ).stdout
        assert output == (f"prefix={prefix}\n" if name == "tool" else "beta 2.0.0\n")
    assert not (prefix / "conda-meta/frozen").exists()
    found = subprocess.run(
        ["grep", "-rlF", "--exclude-dir=__pycache__", str(conda.root / "envs"), prefix / "bin", prefix / "etc"],
        capture_output=True,
        check=False,
    )
    assert found.stdout == b""
    listed = json.loads(conda.conda("list", "-p", str(tmp_path / "unpacked"), "--json"))
    assert {item["name"]: item["version"] for item in listed}["tiny"] == "1.0"
    # What somebody changes is undone, and damage is found, as everywhere else.
    (prefix / "share").mkdir(exist_ok=True)
    (prefix / "etc/tool.conf").write_text("root=elsewhere")
    mended = foretold(conda, **wanted, verify="full")
    assert mended["plan"]["reasons"] == ["1 file is not as installed: etc/tool.conf (altered)"]
    assert foretold(conda, prefix=str(tmp_path / "unpacked"), state="rolled_back")["changed"]


def test_an_archive_travels_from_the_controller(conda: Conda, packed: Path, tmp_path: Path) -> None:
    wanted = {"prefix": str(tmp_path / "travelled"), "archive": str(packed), "smoke": ["beta"]}
    for more, expected in ((["--check"], "CHANGED"), ([], "CHANGED"), (["--check"], "SUCCESS"), ([], "SUCCESS")):
        seen = conda.ansible("conda_env", *more, **wanted)
        assert expected in seen
        assert ("beta 2.0.0" in seen) == (expected == "CHANGED")
    assert (tmp_path / "travelled/bin/beta-cli").exists()


def test_an_archive_that_does_not_fit_changes_nothing(conda: Conda, packed: Path, tmp_path: Path) -> None:
    wanted = {"prefix": str(tmp_path / "steady"), "archive": str(packed), "remote_src": True}
    conda.run(**wanted)
    before = os.readlink(tmp_path / "steady")
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(packed.read_bytes()[:-1000])
    for change in ({"archive": str(cut)}, {"checksum": "sha256:" + "0" * 64}, {"archive": str(cut), "smoke": ["nothing"]}):
        failed = conda.run(**{**wanted, **change})
        assert "the archive" in failed["msg"]
    assert os.readlink(tmp_path / "steady") == before
    assert os.listdir(tmp_path / ".generations") == [os.path.basename(before)]


def test_an_archive_is_made_anew_when_it_has_to_be(conda: Conda, tmp_path: Path) -> None:
    conda.make("wrapped", "lib=1.0")
    dest = tmp_path / "wrapped.tar"
    program = str(Path(sys.executable).with_name("conda-pack"))
    wanted = {"module": "conda_archive", "name": "wrapped", "conda_root": str(conda.root), "dest": str(dest)}
    failed = conda.run(**wanted, conda_pack=str(tmp_path / "nothing"))
    assert "there is no conda-pack on the host" in failed["msg"]
    assert conda.run(**wanted, conda_pack=program)["changed"]
    dest.write_bytes(dest.read_bytes()[:-1])
    assert conda.run(**wanted, conda_pack=program)["changed"]
    assert not conda.run(**wanted, conda_pack=program)["changed"]
    conda.make("wrapped", "lib=1.1")
    before = dest.read_bytes()
    (conda.environment("wrapped") / "share/lib").unlink()
    failed = conda.run(**wanted, conda_pack=program)
    assert failed["msg"].startswith("conda environment 'wrapped': conda-pack failed"), failed
    assert dest.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wrapped.tar", "wrapped.tar.sha256"]
    assert "no conda environment" in conda.run(**{**wanted, "name": "nobody"})["msg"]
