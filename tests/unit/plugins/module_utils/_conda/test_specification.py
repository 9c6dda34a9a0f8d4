# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import match_spec, requirement
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import CondaEnvError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import (
    PLAIN_REQUIREMENT,
    PLAIN_SPEC,
    Settings,
    SpecificationError,
    check_name,
    package_name,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

FORGE = ["conda-forge"]


def spec(*dependencies: t.Any, **more: t.Any) -> dict[str, t.Any]:
    return {"channels": FORGE, "dependencies": list(dependencies), **more}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("numpy", "numpy"),
        ("numpy=1.26", "numpy"),
        ("numpy==1.26.4", "numpy"),
        ("numpy=1.26.4=py311h64a7726_0", "numpy"),
        ("numpy>=1.26,<3", "numpy"),
        ("numpy >=1.26,<3", "numpy"),
        ("numpy 1.26.*", "numpy"),
        ("numpy 1.26.4 py311*", "numpy"),
        ("numpy!=2.0", "numpy"),
        ("numpy~=1.26", "numpy"),
        ("numpy=1.26|2.1", "numpy"),
        ("conda-forge::numpy", "numpy"),
        ("pytorch::pytorch=2.0", "pytorch"),
        ("conda-forge/linux-64::numpy=1", "numpy"),
        ("https://mirror.example/conda/lab::tool", "tool"),
        ("numpy[version='>=1.26',build=py311*]", "numpy"),
        ("conda-forge::numpy[build_number=0]", "numpy"),
        ("Ruamel.YAML", "ruamel.yaml"),
        ("_libgcc_mutex=0.1", "_libgcc_mutex"),
        ("*[sha256=00]", ""),
        ("py*", ""),
        ("https://mirror.example/noarch/my-tool-1.0-0.conda", "my-tool"),
        ("lab:space:tool=1", "tool"),
        ("python=3.11  # [linux]", "python"),
    ],
)
def test_the_name_in_a_match_specification(text: str, name: str) -> None:
    assert package_name(text) == name


# Structurally different files as labs have them; (definition, conda, pip).
FILES: list[tuple[str, dict[str, t.Any], tuple[str, ...], tuple[str, ...]]] = [
    ("one", spec("numpy"), ("numpy",), ()),
    ("spaces", spec("numpy   >=1.26, <3"), ("numpy >=1.26, <3",), ()),
    ("twice", spec("numpy", "numpy"), ("numpy",), ()),
    ("named", spec("numpy", name="x", prefix="/y"), ("numpy",), ()),
    ("nothing-named", spec("numpy", name=None), ("numpy",), ()),
    ("pip", spec("pip", {"pip": ["requests==2.32.3"]}), ("pip",), ("requests==2.32.3",)),
    ("pip-first", spec({"pip": ["requests"]}, "python=3.11", "pip"), ("python=3.11", "pip"), ("requests",)),
    ("pip-missing", spec("python", {"pip": ["requests"]}), ("python", "pip"), ("requests",)),
    ("pip-pinned", spec("pip=25", {"pip": ["requests"]}), ("pip=25",), ("requests",)),
    ("pip-channel", spec("conda-forge::pip", {"pip": ["requests"]}), ("conda-forge::pip",), ("requests",)),
    ("pip-empty", spec("python", {"pip": []}), ("python",), ()),
    ("pip-null", spec("python", {"pip": None}), ("python",), ()),
    ("pip-only", spec({"pip": ["requests"]}), ("pip",), ("requests",)),
    ("pip-twice", spec("pip", {"pip": ["a"]}, {"pip": ["b"]}), ("pip",), ("a", "b")),
    ("extras", spec("pip", {"pip": ["uvicorn[standard]>=0.30"]}), ("pip",), ("uvicorn[standard]>=0.30",)),
    ("marker", spec("pip", {"pip": ["x; python_version < '3.12'"]}), ("pip",), ("x; python_version < '3.12'",)),
    (
        "direct",
        spec("pip", {"pip": ["x @ https://h.example/x-1-py3-none-any.whl"]}),
        ("pip",),
        ("x @ https://h.example/x-1-py3-none-any.whl",),
    ),
    ("git", spec("pip", {"pip": ["git+https://h.example/x.git@v1#egg=x"]}), ("pip",), ("git+https://h.example/x.git@v1#egg=x",)),
    (
        "editable-git",
        spec("pip", {"pip": ["-e git+https://h.example/x.git#egg=x"]}),
        ("pip",),
        ("-e git+https://h.example/x.git#egg=x",),
    ),
    ("editable-absolute", spec("pip", {"pip": ["-e /srv/code/x"]}), ("pip",), ("-e /srv/code/x",)),
    (
        "index",
        spec("pip", {"pip": ["--index-url https://h.example/simple", "x"]}),
        ("pip",),
        ("--index-url https://h.example/simple", "x"),
    ),
    (
        "extra-index",
        spec("pip", {"pip": ["--extra-index-url=https://h.example", "torch==2.3+cu121"]}),
        ("pip",),
        ("--extra-index-url=https://h.example", "torch==2.3+cu121"),
    ),
    ("find-links", spec("pip", {"pip": ["-f https://h.example/w", "x"]}), ("pip",), ("-f https://h.example/w", "x")),
    ("hash", spec("pip", {"pip": ["x==1 --hash=sha256:00"]}), ("pip",), ("x==1 --hash=sha256:00",)),
    ("comment-in-line", spec("pip", {"pip": ["x==1  # why"]}), ("pip",), ("x==1  # why",)),
    (
        "wheel-absolute",
        spec("pip", {"pip": ["/srv/wheels/x-1-py3-none-any.whl"]}),
        ("pip",),
        ("/srv/wheels/x-1-py3-none-any.whl",),
    ),
    ("file-url", spec("pip", {"pip": ["file:///srv/x.tar.gz"]}), ("pip",), ("file:///srv/x.tar.gz",)),
    ("channel-url", {"channels": ["https://h.example/conda/lab"], "dependencies": ["x"]}, ("x",), ()),
    ("channel-file", {"channels": ["file:///srv/conda"], "dependencies": ["x"]}, ("x",), ()),
    ("channel-label", {"channels": ["conda-forge/label/dev"], "dependencies": ["x"]}, ("x",), ()),
    ("package-url", spec("https://h.example/noarch/x-1-0.conda"), ("https://h.example/noarch/x-1-0.conda",), ()),
    ("brackets", spec("x[version='>=1',channel=lab]"), ("x[version='>=1',channel=lab]",), ()),
    ("variables", spec("x", variables={"A": "b"}), ("x",), ()),
    ("variables-null", spec("x", variables=None), ("x",), ()),
    ("nodefaults", {"channels": ["conda-forge", "nodefaults"], "dependencies": ["x"]}, ("x",), ()),
    ("build", spec("x=1=h0_0"), ("x=1=h0_0",), ()),
    ("glob", spec("x=1=*cuda*"), ("x=1=*cuda*",), ()),
    ("or", spec("x=1|2"), ("x=1|2",), ()),
    ("exact", spec("x==1.0.0"), ("x==1.0.0",), ()),
    ("upper", spec("R-base"), ("R-base",), ()),
    ("underscore", spec("_openmp_mutex"), ("_openmp_mutex",), ()),
]


@pytest.mark.parametrize(("definition", "conda", "pip"), [pytest.param(*rest, id=name) for name, *rest in FILES])
def test_a_specification_is_understood(definition: dict[str, t.Any], conda: tuple[str, ...], pip: tuple[str, ...]) -> None:
    found = parse(definition)
    assert (found.conda, found.pip) == (conda, pip)
    assert "nodefaults" not in found.channels


@pytest.mark.parametrize(
    ("definition", "path", "cause"),
    [
        (None, (), "found nothing"),
        ([], (), "found a list"),
        ("requests==2.32\nflask", (), "found a text"),
        ("# platform\n@EXPLICIT\nhttps://h/x.conda", (), "explicit list"),
        ({"version": 1, "metadata": {}, "package": []}, (), "conda-lock"),
        ({"version": 6, "environments": {}, "packages": []}, (), "pixi"),
        ({"channels": FORGE}, (), "no dependencies"),
        (spec(), (), "no dependencies"),
        (spec({"pip": []}), (), "no dependencies"),
        ({"channels": FORGE, "dependencies": "numpy"}, ("dependencies",), "found a text"),
        ({"channels": FORGE, "dependencies": {"numpy": 1}}, ("dependencies",), "found a mapping"),
        (spec("x", dependancies=[]), ("dependancies",), "unknown key"),
        (spec("x", None), ("dependencies", 1), "nothing"),
        (spec("x", 3.11), ("dependencies", 1), "number"),
        (spec("x", ""), ("dependencies", 1), "text"),
        (spec({"python": 3.11}), ("dependencies", 0), "found a mapping"),
        (spec({"conda": ["x"]}), ("dependencies", 0), "found a mapping"),
        (spec("x", "@EXPLICIT"), ("dependencies", 1), "explicit list"),
        (spec("x", {"pip": "requests"}), ("dependencies", 1, "pip"), "found a text"),
        (spec("x", {"pip": ["a", {"b": "c"}]}), ("dependencies", 1, "pip", 1), "mapping"),
        (spec("x", {"pip": ["-e ."]}), ("dependencies", 1, "pip", 0), "local path"),
        (spec("x", {"pip": ["-e src/x"]}), ("dependencies", 1, "pip", 0), "local path"),
        (spec("x", {"pip": ["./x.whl"]}), ("dependencies", 1, "pip", 0), "local path"),
        (spec("x", {"pip": ["file:x.whl"]}), ("dependencies", 1, "pip", 0), "local path"),
        ({"dependencies": ["x"]}, (), "no channel"),
        ({"channels": [], "dependencies": ["x"]}, ("channels",), "no channel"),
        ({"channels": ["nodefaults"], "dependencies": ["x"]}, ("channels",), "no channel"),
        ({"channels": "conda-forge", "dependencies": ["x"]}, ("channels",), "found a text"),
        ({"channels": [{"a": "b"}], "dependencies": ["x"]}, ("channels", 0), "mapping"),
        ({"channels": ["a", "conda-forge, bioconda"], "dependencies": ["x"]}, ("channels", 1), "expected one channel"),
        ({"channels": ["conda-forge bioconda"], "dependencies": ["x"]}, ("channels", 0), "expected one channel"),
        (spec("x", variables=["A=b"]), ("variables",), "found a list"),
        (spec("x", variables={"A-B": "c"}), ("variables", "A-B"), "variable name"),
        (spec("x", variables={"A": True}), ("variables", "A"), "truth value"),
        (spec("x", variables={"A": None}), ("variables", "A"), "nothing"),
        (spec("x", variables={"A": "it's"}), ("variables", "A"), "which conda does not escape"),
        (spec("x", variables={"PATH": "/opt/bin:$PATH"}), ("variables", "PATH"), "which 'conda activate' sets itself"),
        (spec("x", variables={"A": "'; touch /tmp/x; '"}), ("variables", "A"), "runs what follows"),
    ],
)
def test_a_specification_is_refused_with_its_place(definition: t.Any, path: tuple[t.Any, ...], cause: str) -> None:
    with pytest.raises(SpecificationError) as caught:
        parse(definition)
    assert cause in caught.value.cause
    assert caught.value.path == path


def test_channels_of_the_task_serve_a_specification_without_any() -> None:
    assert parse({"dependencies": ["x"]}, channels=["lab"]).channels == ("lab",)
    assert parse(spec("x"), channels=["lab"]).channels == ("conda-forge",)


BASE = spec("numpy", "python", {"pip": ["a"]})


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (spec("python", "numpy", {"pip": ["a"]}), True),
        (spec("numpy", "python", {"pip": ["a"]}, name="other"), True),
        (spec("numpy", "python", {"pip": ["b"]}), False),
        (spec("numpy=1", "python", {"pip": ["a"]}), False),
        (spec("numpy", "python", "x", {"pip": ["a"]}), False),
        (spec("numpy", "python", {"pip": ["a"]}, variables={"A": "1"}), False),
        ({**BASE, "channels": ["conda-forge", "lab"]}, False),
    ],
)
def test_the_digest_changes_with_the_content_alone(other: dict[str, t.Any], same: bool) -> None:
    assert (parse(other).digest(Settings()) == parse(BASE).digest(Settings())) is same


def test_the_digest_changes_with_settings_and_named_files() -> None:
    plain = parse(BASE)
    assert plain.digest(Settings()) != plain.digest(Settings(channel_alias="https://h.example"))
    assert plain.digest(Settings()) != plain.digest(Settings(channel_priority="strict"))
    assert parse(BASE, {"r.txt": "x"}).digest(Settings()) != parse(BASE, {"r.txt": "y"}).digest(Settings())


def test_tokens_and_comments_do_not_change_the_digest() -> None:
    def digest(token: str, comment: str) -> str:
        index = f"--extra-index-url https://aws:{token}@index.example/simple/"
        written = spec("numpy", f"https://h.example/t/{token}/lab::x", {"pip": [index, "-r r.txt"]})
        written["channels"] = [f"https://h.example/t/{token}/lab"]
        return parse(written, {"r.txt": f"{comment}{index}\nrequests\n"}).digest(Settings())

    assert digest("tokA", "") == digest("tokB", "# why\n")
    # An environment of before is not built again where there is neither.
    before = "eff7863c695af03802967f7f28097a6c6ed076d94d68d43164781146278c4cbe"
    assert parse(BASE, {"r.txt": "x\n\ny\n"}).digest(Settings()) == before


@pytest.mark.parametrize("name", ["base", "root", "", ".hidden", "-n", "a/b", "..", "a b", "ä"])
def test_a_name_that_is_refused(name: str) -> None:
    with pytest.raises(CondaEnvError):
        check_name(name)


@pytest.mark.parametrize("name", ["nlp", "py3.11", "a_b-c", "C++", "0"])
def test_a_name_that_is_taken(name: str) -> None:
    check_name(name)


def test_a_policy_is_part_of_the_digest_only_where_it_says_something() -> None:
    given = parse({"channels": ["lab"], "dependencies": ["app"]})
    plain = given.digest(Settings())
    assert plain == given.digest(Settings(allowlist_channels=(), denylist_channels=(), exclude_newer=""))
    others = [Settings(denylist_channels=("b",)), Settings(allowlist_channels=("lab",)), Settings(exclude_newer="7d")]
    assert len({plain, *(given.digest(settings) for settings in others)}) == 4


class TestPlainLines:
    """Those of which nothing more is asked would pass, whatever were asked."""

    @given(st.from_regex(PLAIN_SPEC, fullmatch=True))
    def test_for_conda(self, line: str) -> None:
        assert match_spec.check(line) == ()

    @given(st.from_regex(PLAIN_REQUIREMENT, fullmatch=True))
    def test_for_pip(self, line: str) -> None:
        requirement.check(line)

    @pytest.mark.parametrize("line", ["x.whl", "-U", "a b", "a==1.zip", "a\n", "\uff41", "a - b", "a==1 ", "-r a"])
    def test_others_are_none(self, line: str) -> None:
        assert not PLAIN_SPEC.fullmatch(line) and not PLAIN_REQUIREMENT.fullmatch(line)
