# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""conda_env against a real conda."""

from __future__ import annotations

import fcntl
import functools
import http.server
import json
import marshal
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.tests.integration.real_conda import Conda

RANDOM_SEED = 20261120


def test_an_environment_is_made_and_the_second_run_does_not_start_conda(conda: Conda) -> None:
    made = conda.make("first", "app=1", "other::rare")
    assert made["changed"]
    assert conda.packages("first") == {"app": "1.0=0", "lib": "1.1=0", "rare": "1.0=0"}
    assert (conda.environment("first") / "share/app").read_text().startswith("app 1.0")
    python = conda.root / "bin/python"
    python.rename(python.with_name("hidden"))
    try:
        again = conda.make("first", "app=1", "other::rare")
    finally:
        python.with_name("hidden").rename(python)
    assert not again["changed"]
    assert again["plan"] == {"action": "none", "reasons": [], "install": [], "remove": []}


def test_a_changed_specification_makes_a_generation_and_keeps_one(conda: Conda) -> None:
    conda.make("moving", "app=1")
    first = os.readlink(conda.environment("moving"))
    moved = conda.make("moving", "app=2")
    assert moved["plan"]["reasons"] == ["the specification has changed"]
    alias = f"file://{conda.channels}/lab"
    assert moved["plan"]["remove"] == [f"app 1.0 0 {alias}", f"lib 1.1 0 {alias}"]
    assert moved["plan"]["install"] == [f"app 2.0 0 {alias}", f"lib 2.0 0 {alias}"]
    assert conda.packages("moving") == {"app": "2.0=0", "lib": "2.0=0"}
    assert Path(first).name in conda.generations("moving")
    third = conda.make("moving", "app=2", "single")
    assert [Path(path).name for path in third["swept"]] == [Path(first).name]
    assert len(conda.generations("moving")) == 2


def test_a_generation_in_use_is_kept_until_its_process_ends(conda: Conda) -> None:
    conda.make("busy", "lib=1.0")
    generation = conda.environment("busy").resolve()
    with subprocess.Popen(["sleep", "60"], cwd=generation / "share") as process:
        try:
            conda.make("busy", "lib=1.1", keep_generations=0)
            assert generation.is_dir()
        finally:
            process.kill()
    assert not conda.make("busy", "lib=1.1", keep_generations=0)["changed"]
    assert not generation.exists()


def test_order_of_channels_and_qualified_specifications(conda: Conda) -> None:
    conda.make("strict", "lib")
    assert conda.packages("strict")["lib"] == "2.0=0"  # `other` has 3.0, but comes second
    conda.make("strict", "lib", channel_priority="disabled")
    assert conda.packages("strict")["lib"] == "3.0=0"
    conda.make("strict", "other::lib=1.1")
    assert conda.packages("strict")["lib"] == "1.1=other"
    strict = conda.run(
        name="strict", definition={"channels": ["lab", "other"], "dependencies": ["other::lib=1.1"]}, channel_priority="strict"
    )
    if conda.solver() == "rattler":  # which makes an exception of a package whose channel is named
        assert conda.packages("strict")["lib"] == "1.1=other"
    else:
        assert "strict channel priority" in strict["msg"]


def test_a_channel_name_can_stand_for_a_place(conda: Conda) -> None:
    (conda.channels / "elsewhere").mkdir()
    (conda.channels / "elsewhere/team").symlink_to("../other")
    made = conda.make("placed", "rare", channels=["team"], custom_channels={"team": f"file://{conda.channels}/elsewhere"})
    assert made["plan"]["install"] == [f"rare 1.0 0 file://{conda.channels}/elsewhere/team"]


def test_what_nothing_needs_any_more_is_removed(conda: Conda) -> None:
    conda.make("pruned", "addon", "single")
    conda.make("pruned", "lib=1.0")
    assert conda.packages("pruned") == {"lib": "1.0=0"}


def test_variables_are_set_on_activation(conda: Conda) -> None:
    conda.make("speaking", "single", variables={"LAB": "a b"})
    code = conda.conda("shell.posix", "activate", str(conda.environment("speaking")))
    assert "LAB='a b'" in code
    conda.conda("env", "config", "vars", "set", "-n", "speaking", "LAB=c")
    assert conda.make("speaking", "single", variables={"LAB": "a b"})["changed"]


def edit_record(conda: Conda, environment: Path) -> None:
    record = next((environment / "conda-meta").glob("lib-*.json"))
    record.write_text(record.read_text().replace('"version": "1.0"', '"version": "9.9"'))


def delete_record(conda: Conda, environment: Path) -> None:
    next((environment / "conda-meta").glob("lib-*.json")).unlink()


def break_record(conda: Conda, environment: Path) -> None:
    next((environment / "conda-meta").glob("lib-*.json")).write_text("{")


def install_by_hand(conda: Conda, environment: Path) -> None:
    channel = f"file://{conda.channels}/lab"
    # The host's own pin does not go with what is there; some solvers mind.
    options = ["-y", "-q", "--no-pin", "--override-channels", "-c", channel]
    conda.conda("install", "-p", str(environment), *options, "single")


def delete_history(conda: Conda, environment: Path) -> None:
    (environment / "conda-meta/history").unlink()


def delete_everything(conda: Conda, environment: Path) -> None:
    shutil.rmtree(environment.resolve())


@pytest.mark.cases(3)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (edit_record, "lib 9.9"),
        (delete_record, "conda package lib 1.0 0 file://"),
        (break_record, "cannot be read"),
        (install_by_hand, "conda package single 1.0 0 file://"),
        (delete_history, "changed by hand"),
        (delete_everything, "was never finished"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_change_by_hand_is_noticed_and_undone(conda: Conda, change: t.Callable[[Conda, Path], None], reason: str) -> None:
    conda.make("touched", "lib=1.0")
    change(conda, conda.environment("touched"))
    foreseen = conda.make("touched", "lib=1.0", check=True)
    assert foreseen["changed"]
    assert any(reason in line for line in foreseen["plan"]["reasons"]), foreseen["plan"]
    done = conda.make("touched", "lib=1.0")
    assert done["plan"] == foreseen["plan"]
    assert conda.packages("touched") == {"lib": "1.0=0"}
    assert not conda.make("touched", "lib=1.0")["changed"]


def test_new_times_of_the_same_files_are_no_change(conda: Conda) -> None:
    conda.make("restored", "lib=1.0")
    for path in (conda.environment("restored") / "conda-meta").iterdir():
        os.utime(path, (1, 1))
    assert not conda.make("restored", "lib=1.0")["changed"]


@pytest.mark.parametrize("altered", ["bigger\n", "same"], ids=["size", "content"])
def test_a_file_edited_in_place_does_not_live_on_through_the_package_cache(conda: Conda, altered: str) -> None:
    conda.make("edited", "lib=1.0")
    file = conda.environment("edited") / "share/lib"
    original = file.read_text()
    assert file.stat().st_nlink > 1  # the same file as in the package cache
    with file.open("r+") as handle:
        handle.write(altered if altered == "same" else original + altered)
    assert conda.make("edited", "lib=1.0", "single")["changed"]
    assert (conda.environment("edited") / "share/lib").read_text() == original


def test_byte_code_written_into_does_not_live_on_through_the_package_cache(conda: Conda) -> None:
    """Python runs it in the place of its source: it says whose it is itself."""
    definition = {"channels": ["conda-forge"], "dependencies": ["python=3.11", "alpha=1"]}
    conda.run(name="compiled", definition=definition)
    name = "lib/python3.11/site-packages/alpha/__pycache__/__init__.cpython-311.pyc"
    file = conda.environment("compiled") / name
    original = file.read_bytes()
    assert file.stat().st_nlink > 1  # the same file as in the package cache
    file.write_bytes(original[:16] + marshal.dumps(compile("", "m", "exec")))
    assert conda.run(name="compiled", definition=definition, verify="full")["changed"]
    assert (conda.environment("compiled") / name).read_bytes()[:16] == original[:16]
    conda.run(name="other", definition=definition)
    for environment in ("compiled", "other"):
        assert b"main" in (conda.environment(environment) / name).read_bytes()


@pytest.fixture(scope="module")
def python_environment(conda: Conda) -> dict[str, t.Any]:
    pip = [f"--find-links={conda.wheels}", "--no-index", "needy"]
    definition = {"channels": ["conda-forge"], "dependencies": ["python=3.11", "alpha=1", "pip", {"pip": pip}]}
    arguments = {"name": "pipped", "definition": definition, "smoke": ["needy", "alpha"]}
    made = conda.run(**arguments)
    assert made.get("changed"), made
    return arguments


def pip(conda: Conda, *arguments: str) -> None:
    python = conda.environment("pipped") / "bin/python"
    subprocess.run([python, "-I", "-m", "pip", "--isolated", *arguments], check=True, capture_output=True)


def test_the_pip_section_is_installed_and_stays(conda: Conda, python_environment: dict[str, t.Any]) -> None:
    assert conda.packages("pipped")["tiny"] == "2.0=pypi_0"
    assert not conda.run(**python_environment)["changed"]


def test_what_a_person_does_with_pip_is_noticed(conda: Conda, python_environment: dict[str, t.Any]) -> None:
    wheels = ["--no-index", f"--find-links={conda.wheels}"]
    pip(conda, "install", *wheels, "--no-deps", "greedy")
    assert "pip package greedy 1.0 pypi_0 pypi was added" in conda.run(check=True, **python_environment)["plan"]["reasons"]
    pip(conda, "uninstall", "-y", "greedy")
    assert not conda.run(check=True, **python_environment)["changed"]
    pip(conda, "install", *wheels, "tiny==1.0")
    assert "pip package tiny 2.0 pypi_0 pypi is missing" in conda.run(check=True, **python_environment)["plan"]["reasons"]
    pip(conda, "uninstall", "-y", "needy")
    foreseen = conda.run(check=True, **python_environment)
    done = conda.run(**python_environment)
    assert done["plan"] == foreseen["plan"]
    assert conda.packages("pipped")["needy"] == "1.0=pypi_0"
    assert conda.packages("pipped")["tiny"] == "2.0=pypi_0"


# A build backend without needs: the wheel of an editable installation only says where the source is (PEP 660).
BACKEND = """
import os, zipfile
def build_editable(folder, settings=None, metadata=None):
    name = "edited-1.0-py3-none-any.whl"
    info = "edited-1.0.dist-info"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        archive.writestr("edited.pth", os.getcwd())
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: edited\\nVersion: 1.0\\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(f"{info}/RECORD", "")
    return name
"""
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "edited"\nversion = "1.0"\n'


def test_an_editable_clone_lasts_as_long_as_the_environment(conda: Conda, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name, text in {"backend.py": BACKEND, "pyproject.toml": PROJECT, "edited.py": "answer = 42\n"}.items():
        (source / name).write_text(text)
    git = ["git", "-C", str(source), "-c", "user.name=t", "-c", "user.email=t@h.example"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    section = {"pip": ["--no-index", f"-e git+file://{source}#egg=edited"]}
    definition = {"channels": ["conda-forge"], "dependencies": ["python=3.11", "pip", section]}
    made = conda.run(name="cloned", definition=definition, smoke=["edited"])
    assert made.get("changed"), made
    shutil.rmtree(source)
    python = conda.environment("cloned") / "bin/python"
    asked = [python, "-I", "-c", "import edited; print(edited.answer, edited.__file__)"]
    answer = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    assert answer == ["42", f"{os.path.realpath(conda.environment('cloned'))}/src/edited/edited.py"]
    assert not conda.run(name="cloned", definition=definition, smoke=["edited"])["changed"]


@pytest.mark.cases(2)
@pytest.mark.parametrize(
    ("pip_section", "smoke", "expected"),
    [
        (["nonexistent-thing"], [], "nonexistent-thing"),
        (["greedy"], [], "alpha"),  # wants another alpha than the one that conda installed
        (["--index-url=https://user:hunter2@pypi.invalid/simple", "nothing"], [], "pip section"),
        (["tiny"], ["not_there"], "import not_there"),
    ],
    ids=["unknown", "would-replace-conda", "secret", "smoke"],
)
def test_a_failing_pip_section_changes_nothing(
    conda: Conda, python_environment: dict[str, t.Any], pip_section: list[str], smoke: list[str], expected: str
) -> None:
    before = os.readlink(conda.environment("pipped"))
    pip_section = [f"--find-links={conda.wheels}", *([] if "--index" in pip_section[0] else ["--no-index"]), *pip_section]
    definition = {"channels": ["conda-forge"], "dependencies": ["python=3.11", "alpha=1", {"pip": pip_section}]}
    failed = conda.run(name="pipped", definition=definition, smoke=smoke)
    assert failed["failed"]
    assert failed["msg"].startswith("conda environment 'pipped': ")
    assert expected in failed["msg"]
    assert "hunter2" not in json.dumps(failed)
    assert os.readlink(conda.environment("pipped")) == before
    assert not conda.run(**python_environment)["changed"]
    assert len(conda.generations("pipped")) <= 2


def test_absent_removes_everything_once(conda: Conda) -> None:
    conda.make("leaving", "lib=1.0")
    conda.make("leaving", "lib=1.1")
    foreseen = conda.run(name="leaving", state="absent", check=True)
    assert conda.environment("leaving").exists()
    done = conda.run(name="leaving", state="absent")
    assert done["changed"]
    assert done["plan"] == foreseen["plan"]
    assert conda.generations("leaving") == []
    assert not os.path.lexists(conda.environment("leaving"))
    assert not conda.run(name="leaving", state="absent")["changed"]


SPECIFICATIONS = [
    "lib",
    "lib=1.0",
    "lib>=1.1,<2",
    "app",
    "app=1",
    "app=2",
    "addon",
    "old",
    "single",
    "other::rare",
    "lib=1.1=other",
]


def test_check_mode_foretells_what_the_run_does(conda: Conda) -> None:
    """Over generated states and specifications; those that contradict themselves must fail the same way."""
    pick = random.Random(RANDOM_SEED)
    done = failed = 0
    while done < 5:
        wanted = pick.sample(SPECIFICATIONS, pick.randint(1, 3))
        definition = {"channels": ["lab", "other"], "dependencies": wanted}
        before = os.path.realpath(conda.environment("foretold"))
        foreseen = conda.run(name="foretold", definition=definition, check=True)
        assert os.path.realpath(conda.environment("foretold")) == before
        real = conda.run(name="foretold", definition=definition)
        assert foreseen.get("failed", False) == real.get("failed", False), (wanted, foreseen, real)
        if real.get("failed"):
            failed += 1
            assert foreseen["msg"] == real["msg"]
            assert failed < 20
            continue
        assert (foreseen["changed"], foreseen["plan"], foreseen.get("diff")) == (real["changed"], real["plan"], real.get("diff"))
        in_plan = {line.split()[0] for line in real["diff"]["after"].splitlines()} if real["changed"] else None
        assert in_plan in (None, set(conda.packages("foretold")))
        assert not conda.run(name="foretold", definition=definition)["changed"]
        done += 1


def test_check_mode_writes_nothing(conda: Conda) -> None:
    def everything() -> set[tuple[str, int]]:
        return {(str(path), path.lstat().st_mtime_ns) for path in conda.root.rglob("*")}

    conda.make("quiet", "lib=1.0")
    before = everything()
    assert conda.make("quiet", "app=2", check=True)["changed"]
    assert conda.make("unborn", "app=2", check=True)["changed"]
    assert everything() == before


def test_check_mode_on_a_host_without_conda(conda: Conda, tmp_path: Path) -> None:
    definition = {"channels": ["lab"], "dependencies": ["app=1", {"pip": ["tiny"]}]}
    arguments = {"name": "early", "definition": definition, "conda_root": str(tmp_path / "none")}
    found = conda.run(check=True, **arguments)
    assert found["changed"]
    assert found["plan"]["install"] == ["app=1", "pip", "pip: tiny"]
    assert any("no conda" in note for note in found["notes"])
    failed = conda.run(**arguments)
    assert "no conda installation" in failed["msg"]
    assert not conda.run(name="early", state="absent", conda_root=str(tmp_path / "none"))["changed"]


@pytest.mark.cases(3)
@pytest.mark.parametrize(
    ("dependencies", "arguments", "expected"),
    [
        (["nunpy"], {}, "not in the declared channels"),
        (["app=1", "lib=2"], {}, "cannot be installed together"),
        (["lib=1.0", "old=7"], {}, "old=7"),
        (["lib[nothing=1]"], {}, "cannot be understood"),
        (["lib"], {"channels": ["nowhere"]}, "nowhere"),
        (["lib"], {"channel_alias": "http://127.0.0.1:9/conda"}, "127.0.0.1:9"),
        (["lib"], {"channel_alias": "http://user:hunter2@127.0.0.1:9/t/to-ken/conda"}, "127.0.0.1:9"),
    ],
    ids=["unknown", "unsatisfiable", "unknown-version", "syntax", "no-channel", "unreachable", "secret"],
)
def test_errors_name_environment_and_cause(
    conda: Conda, dependencies: list[str], arguments: dict[str, t.Any], expected: str
) -> None:
    channels = arguments.pop("channels", ["lab"])
    failed = conda.run(name="wrong", definition={"channels": channels, "dependencies": dependencies}, **arguments)
    assert failed["failed"]
    assert failed["msg"].startswith("conda environment 'wrong': ")
    assert expected in failed["msg"]
    assert "hunter2" not in json.dumps(failed)
    assert "to-ken" not in json.dumps(failed)
    assert not os.path.lexists(conda.environment("wrong"))
    assert conda.generations("wrong-") == []


class Open(http.server.SimpleHTTPRequestHandler):
    """Channels for all."""

    def log_message(self, format: str, *args: t.Any) -> None:
        """Tests print nothing."""


class Guarded(Open):
    """Channels for those who know a password or a token."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.replace("/t/to-ken", ""))

    def do_GET(self) -> None:
        if "Authorization" in self.headers or "/t/to-ken/" in self.path:
            super().do_GET()
        else:
            self.send_error(401)


@pytest.mark.parametrize("place", ["ada:hunter2@127.0.0.1:{port}", "127.0.0.1:{port}/t/to-ken"], ids=["password", "token"])
def test_credentials_of_a_channel_stay_hidden(conda: Conda, place: str) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Guarded, directory=conda.channels))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        alias = "http://" + place.format(port=server.server_port)
        made = conda.make("guarded", "app=1", channel_alias=alias)
        assert not conda.make("guarded", "app=1", channel_alias=alias)["changed"]
    finally:
        server.shutdown()
    assert conda.packages("guarded")["app"] == "1.0=0"
    assert "hunter2" not in json.dumps(made)
    assert "to-ken" not in json.dumps(made)
    search = ["grep", "-rlE", "hunter2|to-ken", conda.root, "--exclude-dir=pkgs-private"]
    assert subprocess.run(search, capture_output=True, text=True, check=False).stdout == ""
    assert (conda.root / "pkgs-private").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("place", [{"name": "base"}, {"name": "root"}, {"prefix": "{root}"}, {"prefix": "{root}/envs/../"}])
def test_the_installation_itself_is_refused(conda: Conda, place: dict[str, str]) -> None:
    before = conda.conda("list", "-n", "base")
    for state in ("present", "absent"):
        values = {key: value.format(root=conda.root) for key, value in place.items()}
        failed = conda.run(state=state, definition={"channels": ["lab"], "dependencies": ["lib"]}, **values)
        assert "the conda installation itself" in failed["msg"]
    assert conda.conda("list", "-n", "base") == before


def test_an_environment_made_by_hand_is_moved_aside_and_kept(conda: Conda) -> None:
    channel = f"file://{conda.channels}/lab"
    conda.conda("create", "-y", "-q", "-n", "manual", "--override-channels", "-c", channel, "single")
    refused = conda.run(name="manual", definition={"channels": ["lab"], "dependencies": ["lib"]}, adopt=False)
    assert "not managed" in refused["msg"]
    foreseen = conda.make("manual", "lib=1.0", check=True)
    assert any("single" in line for line in foreseen["plan"]["remove"])
    made = conda.make("manual", "lib=1.0")
    assert made["plan"] == foreseen["plan"]
    kept = Path(made["kept"])
    for version in ("1.1", "2.0"):
        conda.make("manual", f"lib={version}", keep_generations=0)
    assert list((kept / "conda-meta").glob("single-*.json"))


def test_a_folder_that_is_no_environment_is_refused(conda: Conda) -> None:
    folder = conda.environment("thesis")
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    for state in ("present", "absent"):
        failed = conda.run(name="thesis", state=state, definition={"channels": ["lab"], "dependencies": ["lib"]})
        assert "neither a conda environment nor empty" in failed["msg"]
    assert (folder / "thesis.tex").read_text() == "years of work"


def test_remains_of_a_killed_conda_are_replaced(conda: Conda) -> None:
    (conda.environment("remains") / "conda-meta").mkdir(parents=True)
    conda.make("remains", "lib=1.0")
    assert conda.packages("remains") == {"lib": "1.0=0"}


@pytest.mark.cases(1)
@pytest.mark.parametrize("whole_group", [False, True], ids=["module-alone", "with-its-children"])
def test_a_killed_run_leaves_the_old_environment_and_the_next_completes(conda: Conda, whole_group: bool) -> None:
    pick = random.Random(RANDOM_SEED + whole_group)
    conda.make("killed", "lib=1.0")
    wanted = {"lib=1.1": "1.1=0", "lib=1.0": "1.0=0"}
    for round_number in range(3):
        before = os.readlink(conda.environment("killed"))
        specification = list(wanted)[round_number % 2]
        definition = {"channels": ["lab"], "dependencies": [specification, "all-parts"]}
        process = conda.start(name="killed", definition=definition)
        time.sleep(pick.uniform(0.3, 1.6))
        if whole_group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.communicate()
        version = conda.packages("killed")["lib"].split("=")[0]
        assert os.readlink(conda.environment("killed")) == before or version == specification.split("=")[1]
        assert (conda.environment("killed") / "share/lib").read_text().startswith(f"lib {version}")
        finished = conda.make("killed", specification, "all-parts", channels=["lab"])
        assert conda.packages("killed")["lib"] == wanted[specification]
        assert len(conda.packages("killed")) == 10
        assert len(conda.generations("killed")) <= 2, finished
        assert not conda.make("killed", specification, "all-parts", channels=["lab"])["changed"]


@pytest.fixture
def small_disk(tmp_path: Path) -> t.Iterator[Path]:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def test_a_full_disk_leaves_the_old_environment(conda: Conda, small_disk: Path) -> None:
    prefix = small_disk / "env"

    def run(*dependencies: str) -> dict[str, t.Any]:
        return conda.run(prefix=str(prefix), definition={"channels": ["lab"], "dependencies": list(dependencies)})

    assert run("lib=1.0")["changed"]
    failed = run("all-parts", "lib=1.1")
    assert failed["failed"]
    assert "space" in failed["msg"]
    assert (prefix / "share/lib").read_text().startswith("lib 1.0")
    assert len(list((small_disk / ".generations").iterdir())) == 1
    assert run("lib=1.1")["changed"]
    assert (prefix / "share/lib").read_text().startswith("lib 1.1")


def test_concurrent_runs_wait_for_each_other(conda: Conda) -> None:
    definition = {"channels": ["lab"], "dependencies": ["all-parts", "app"]}
    names = ["together", "together", "together", "apart"]
    processes = [conda.start(name=name, definition=definition) for name in names]
    results = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert [result.get("msg") for result in results] == [None] * 4
    assert sorted(result["changed"] for result in results[:3]) == [False, False, True]
    assert results[3]["changed"]
    assert conda.packages("together") == conda.packages("apart")


def test_waiting_ends_with_a_message(conda: Conda) -> None:
    lock = conda.root.parent / f".{conda.root.name}.lock"
    with lock.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write("process 1, environment 'somebody'\n")
        file.flush()
        failed = conda.run(name="waiting", definition={"channels": ["lab"], "dependencies": ["lib"]}, lock_timeout=1)
    assert "environment 'somebody'" in failed["msg"]
    assert "waited 1 s" in failed["msg"]


def test_nothing_is_writable_for_others(conda: Conda) -> None:
    conda.make("modest", "app")
    found = [
        path for path in conda.environment("modest").resolve().rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o002
    ]
    assert found == []


def test_through_ansible_with_a_file_that_names_a_requirements_file(conda: Conda, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "env.yml").write_text(
        "name: ignored\nchannels: [conda-forge]\ndependencies:\n  - python=3.11\n  - pip:\n      - -r more/all.txt\n"
    )
    (tmp_path / "more/all.txt").write_text(f"--no-index\n--find-links={conda.wheels}\n-r nested.txt\n")
    (tmp_path / "more/nested.txt").write_text("tiny==1.0  # an older one\n")
    wanted = {"name": "whole", "src": str(tmp_path / "env.yml")}
    assert "CHANGED" in conda.ansible("conda_env", **wanted)
    assert conda.packages("whole")["tiny"] == "1.0=pypi_0"
    assert "SUCCESS" in conda.ansible("conda_env", **wanted)
    (tmp_path / "more/nested.txt").write_text("tiny==2.0\n")
    assert "CHANGED" in conda.ansible("conda_env", "--check", **wanted)


@pytest.mark.parametrize("state", ["present", "absent"])
def test_where_a_link_led_is_told(conda: Conda, tmp_path: Path, state: str) -> None:
    link = conda.environment(f"led-{state}")
    (tmp_path / "theirs").mkdir()
    link.symlink_to(tmp_path / "theirs")
    wanted = {"definition": {"channels": ["lab", "other"], "dependencies": ["lib=1.0"]}} if state == "present" else {}
    for check in (True, False):
        told = conda.run(name=link.name, state=state, check=check, **wanted)
        assert f"{link} was a link to {tmp_path / 'theirs'}; only the link makes room" in told["notes"]
    assert (tmp_path / "theirs").is_dir()


@pytest.mark.parametrize(
    ("setting", "value"), [("denylist_channels", "lab"), ("allowlist_channels", "other"), ("disallowed_packages", "lib")]
)
def test_what_the_hosts_owner_forbids_counts(conda: Conda, setting: str, value: str) -> None:
    """The installation's own configuration chooses no package; what it forbids is forbidden, as far as its conda knows the word."""
    if setting not in conda.conda("config", "--describe"):
        pytest.skip(f"this conda knows no {setting}")
    condarc = conda.root / ".condarc"
    before = condarc.read_text()
    condarc.write_text(f"{before}channel_alias: file://{conda.channels}\n{setting}: [{value}]\n")
    try:
        for check in (True, False):
            refused = conda.run(name="forbidden", definition={"channels": ["lab"], "dependencies": ["lib=1.0"]}, check=check)
            assert "forbids it: " in refused["msg"]
    finally:
        condarc.write_text(before)
    conda.make("forbidden", "lib=1.0")


@pytest.mark.cases(3)
@pytest.mark.parametrize(
    ("options", "host", "verdict"),
    [
        # conda 26 looks itself.
        ({"denylist_channels": ["lab"]}, "", "is denied|included in denylist"),
        ({"allowlist_channels": ["other"]}, "", "is not allowed|not included in allowlist"),
        ({"allowlist_channels": ["lab"]}, "allowlist_channels: [other]", "the host allows only"),
        ({"allowlist_channels": ["lab", "other"]}, "allowlist_channels: [other]", "is not allowed|not included in allowlist"),
        ({"allowlist_channels": ["lab", "more"]}, "allowlist_channels: [lab]", ""),
        ({"denylist_channels": ["other"]}, "", ""),
    ],
)
def test_what_a_task_forbids_counts_together_with_the_host(
    conda: Conda, options: dict[str, t.Any], host: str, verdict: str
) -> None:
    definition = {"channels": ["lab"], "dependencies": ["lib=1.0"]}
    lock = conda.run(module="conda_lock", definition=definition, **conda.arguments())["lock"]
    condarc = conda.root / ".condarc"
    before = condarc.read_text()
    condarc.write_text(f"{before}channel_alias: file://{conda.channels}\n{host}\n")
    try:
        for index, given in enumerate(({"definition": definition}, {"lock": lock})):
            for check in (True, False):
                done = conda.run(name=f"policy{index}", **given, **options, check=check)
                assert re.search(verdict, done.get("msg", "")), (given, check, done)
                assert bool(done.get("failed")) == bool(verdict)
    finally:
        condarc.write_text(before)


def test_a_configuration_that_conda_cannot_read_is_told(conda: Conda) -> None:
    condarc = conda.root / ".condarc"
    before = condarc.read_text()
    condarc.write_text(f"{before}denylist_channels: [lab\n")
    try:
        done = conda.run(name="unread", definition={"channels": ["lab"], "dependencies": ["lib"]}, check=True)
    finally:
        condarc.write_text(before)
    assert "conda cannot read its configuration on this host; what that forbids does not count: " in done["notes"][0]


def test_a_conda_that_cannot_leave_out_what_is_new_is_named(conda: Conda) -> None:
    if "exclude_newer" in conda.conda("config", "--describe"):
        pytest.skip("this conda can")
    done = conda.run(name="young", definition={"channels": ["lab"], "dependencies": ["lib"]}, exclude_newer="7d")
    assert "the conda of this host cannot do what the task demands" in done["msg"]
    assert "expected 26.9 or newer" in done["msg"]


# All packages here are of January 2024.
OLD, LATER = "'2023-06-01'", "'2025-06-01'"


@pytest.mark.cases(3)
@pytest.mark.parametrize(
    ("task", "host", "left_out"),
    [
        (OLD, "", True),
        ("", f"channel_settings: [{{channel: lab, exclude_newer: {OLD}}}]", True),
        (OLD, f"channel_settings: [{{channel: lab, exclude-newer: {LATER}}}]", True),
        ("", f"channel_settings: [{{channel: 'http://*/lab', exclude_newer: {OLD}}}]", True),
        ("", f"channel_settings: [{{channel: other, exclude_newer: {OLD}}}]", False),
        (OLD, "channel_settings: [{channel: lab, exclude_newer: false}]", False),
        ("", f"cooldown: {OLD}", True),
        (LATER, f"exclude_newer: {OLD}", True),
        (LATER, "", False),
        ("", f"exclude_newer_package: {{lib: {OLD}}}", True),
        (OLD, f"exclude_newer_package: {{lib: {LATER}}}", True),
        ("", f"exclude_newer: {OLD}\nexclude_newer_package: {{lib: false}}", False),
    ],
)
def test_what_is_too_new_for_host_or_task_is_left_out(conda: Conda, task: str, host: str, left_out: bool) -> None:
    if "exclude_newer" not in conda.conda("config", "--describe"):
        pytest.skip("this conda cannot")
    condarc = conda.root / ".condarc"
    before = condarc.read_text()
    serve = functools.partial(Open, directory=conda.channels)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    alias = f"http://127.0.0.1:{server.server_port}"
    condarc.write_text(f"{before}channel_alias: {alias}\n{host}\n")
    try:
        definition = {"channels": ["lab"], "dependencies": ["lib"]}
        done = conda.run(name="young", definition=definition, channel_alias=alias, exclude_newer=task.strip("'"), check=True)
    finally:
        condarc.write_text(before)
        server.shutdown()
    if conda.solver() == "rattler":  # which knows no limit of age up to conda-rattler-solver 0.2
        assert "the solver rattler of conda" in done["msg"]
        assert "does not know 'exclude_newer" in done["msg"]
    else:
        assert bool(done.get("failed")) == left_out, done
        assert ("not in the declared channels" in done.get("msg", "")) == left_out
