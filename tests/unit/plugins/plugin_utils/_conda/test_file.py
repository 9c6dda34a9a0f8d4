# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.plugin_utils._conda.file import collect_pip_files, read_definition


@pytest.mark.parametrize(
    ("text", "where", "cause"),
    [
        ("channels: [c]\ndependencies:\n  - a\nchanels: [x]\n", "line 4", "unknown key 'chanels'"),
        ("channels: [c]\ndependencies:\n  - a\n  - 3.11\n", "line 4", "number"),
        ("channels: [c]\ndependencies:\n  - a\n  - pip:\n      - b\n      - c: d\n", "line 6", "mapping"),
        ("channels: [c]\ndependencies:\n  - a\n  - pip:\n      - -e .\n", "line 5", "local path"),
        ("channels: [c]\ndependencies:\n  - a\nvariables:\n  A: yes\n", "line 5", "truth value"),
        ("channels: [c]\ndependencies: [a\n", "line 3", "invalid YAML"),
        ("channels: [c]\n\tdependencies: [a]\n", "line 2", "invalid YAML"),
        ("channels: [c]\ndependencies: [a]\ndependencies: [b]\n", "line 3", "stands already in line 2"),
        ("channels: [c]\ndependencies: []\n", "", "no dependencies"),
        ("", "", "found nothing"),
        ("@EXPLICIT\nhttps://h.example/x.conda\n", "", "explicit list"),
        ("# platform: linux-64\n@EXPLICIT\n", "", "explicit list"),
        ("version: 1\nmetadata: {}\npackage: []\n", "", "conda-lock"),
        ("requests==2.32\nflask\n", "", "found a text"),
        ("channels: !!python/object:os.system x\n", "line 1", "invalid YAML"),
        ("channels: [c]\ndependencies:\n  - !!timestamp xx\n", "", "invalid YAML"),
        ("channels: [c]\ndependencies: [a]\nvariables:\n  A: !!int ''\n", "", "invalid YAML"),
        ("channels: [c]\ndependencies:\n  - !!bool perhaps\n", "", "invalid YAML"),
        ("[project]\nname = 'x'\n", "", "is a TOML file"),
        ('# by uv\nversion = 1\nrequires-python = ">=3.11"\n\n[[package]]\nname = "a"\n', "", "is a TOML file"),
        ("requests==2.32\n[x]\n", "", "found a text"),
        ("dependencies:\n[numpy]\n", "line 3", "invalid YAML"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, text: str, where: str, cause: str) -> None:
    file = tmp_path / "env.yml"
    file.write_text(text)
    with pytest.raises(CondaEnvError) as caught:
        read_definition(file)
    assert str(file) in caught.value.cause
    assert where in caught.value.cause
    assert cause in caught.value.cause


def test_a_file_without_channels_may_get_them_from_the_task(tmp_path: Path) -> None:
    (tmp_path / "env.yml").write_text("dependencies: [a]\n")
    assert read_definition(tmp_path / "env.yml") == {"dependencies": ["a"]}


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "env.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CondaEnvError, match="cannot be read"):
        read_definition(tmp_path / "env.yml")
    with pytest.raises(CondaEnvError, match="cannot be read"):
        read_definition(tmp_path / "none.yml")


def test_files_named_in_the_pip_section_come_along(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/a.txt").write_text("x\n-r b.txt\n-c ../c.txt\n")
    (tmp_path / "more/b.txt").write_text("y\n-r a.txt\n")  # each names the other
    (tmp_path / "c.txt").write_text("z<2\n")
    definition = {"dependencies": ["p", {"pip": ["-r more/a.txt", "-r https://h.example/r.txt", "w"]}]}
    changed, files = collect_pip_files(definition, tmp_path)
    assert changed["dependencies"][1]["pip"] == ["-r more/a.txt", "-r https://h.example/r.txt", "w"]
    assert files == {"more/a.txt": "x\n-r more/b.txt\n-c c.txt\n", "more/b.txt": "y\n-r more/a.txt\n", "c.txt": "z<2\n"}


def test_where_a_repository_is_checked_out_decides_nothing(tmp_path: Path) -> None:
    found = []
    for place in ("here", "somewhere/else"):
        root = tmp_path / place
        (root / "env").mkdir(parents=True)
        (root / "requirements.txt").write_text("x\n")
        found.append(collect_pip_files({"dependencies": [{"pip": ["-r ../requirements.txt"]}]}, root / "env"))
    assert found[0] == found[1] == ({"dependencies": [{"pip": ["-r ../requirements.txt"]}]}, {"../requirements.txt": "x\n"})


@pytest.mark.parametrize(("text", "cause"), [(None, "cannot be read"), ("ok\n-e .\n", "line 2")])
def test_a_named_file_that_cannot_be_used(tmp_path: Path, text: str | None, cause: str) -> None:
    if text is not None:
        (tmp_path / "a.txt").write_text(text)
    with pytest.raises(CondaEnvError, match=cause):
        collect_pip_files({"dependencies": [{"pip": ["-r a.txt"]}]}, tmp_path)


UNSET = ["--extra-index-url ${MY_INDEX}", "--find-links ${MY_INDEX}", "${MY_INDEX}/x.whl", "x==${MY_INDEX}", "-r ${MY_INDEX}.txt"]


@pytest.mark.parametrize("line", [*UNSET, "--index-url https://${MY_INDEX}@h.example/simple"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_for_pip_that_is_not_set_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv("MY_INDEX", raising=False)
    else:
        monkeypatch.setenv("MY_INDEX", value)
    (tmp_path / "a.txt").write_text(f"ok\n{line}\n")
    for item in (line, "-r a.txt"):
        with pytest.raises(CondaEnvError, match=r"the variable \$\{MY_INDEX\}.* not set where Ansible runs"):
            collect_pip_files({"dependencies": [{"pip": [item]}]}, tmp_path)


def test_variables_for_pip_are_filled_in_before_files_are_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MORE", "a")
    monkeypatch.delenv("GONE", raising=False)
    (tmp_path / "a.txt").write_text("x==${MORE}1  # not ${GONE}\n  # nor ${GONE}\ny==$MORE,${more}\n")
    changed, files = collect_pip_files({"dependencies": [{"pip": ["-r ${MORE}.txt", "--find-links ${MORE}"]}]}, tmp_path)
    assert changed["dependencies"][0]["pip"] == ["-r a.txt", "--find-links a"]
    assert files == {"a.txt": "x==a1  # not ${GONE}\n  # nor ${GONE}\ny==$MORE,${more}\n"}


def test_a_line_with_a_variable_that_is_not_set_is_told_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GONE", raising=False)
    with pytest.raises(CondaEnvError) as caught:
        collect_pip_files({"dependencies": [{"pip": ["--index-url https://me:s3cret@h.example/${GONE}"]}]}, tmp_path)
    assert "s3cret" not in str(caught.value)


def test_an_item_for_pip_may_be_a_piece_of_a_requirements_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_INDEX", "h.example")
    (tmp_path / "a.txt").write_text("x\n")
    piece = "# why\n--index-url https://${MY_INDEX}/simple\n-r \\\n  ./a.txt\ny==1 \\\n  --hash=sha256:00\n"
    changed, files = collect_pip_files({"dependencies": [{"pip": [piece, "z", " ", 3.11]}]}, tmp_path)
    followed = "# why\n--index-url https://h.example/simple\n-r a.txt\ny==1 --hash=sha256:00"
    assert changed["dependencies"][0]["pip"] == [followed, "z", "", 3.11]
    assert files == {"a.txt": "x\n"}
