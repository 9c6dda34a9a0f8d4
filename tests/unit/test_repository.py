# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository tests itself: lists that people keep by hand rot."""

from __future__ import annotations

import ast
import graphlib
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
# They change nothing, so only the drift run has them.
LOOKS = {"audit"}
CHANGES = set(ROLES) - LOOKS


def load(path: Path):
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def options(role: str) -> dict:
    return load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_argument_specs_say_the_same(role):
    spec = options(role)
    defaults = load(ROOT / "roles" / role / "defaults" / "main.yml")
    assert set(defaults) <= set(spec), "every default is documented"
    missing = {
        name for name, option in spec.items() if name not in defaults and not option.get("required") and "default" in option
    }
    assert not missing, "a documented default that no file sets"
    for name, value in defaults.items():
        # A template cannot be a default in a specification; it is described there in words.
        if not (isinstance(value, str) and "{{" in value) and "{{" not in str(value):
            assert spec[name].get("default", value if value in (None, "", [], {}) else "no default") == value, name


@pytest.mark.parametrize("role", ROLES)
def test_variables_have_the_role_as_prefix(role):
    assert all(name.startswith(f"{role}_") for name in options(role))


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_documented(role):
    assert all(option.get("description") and option.get("type") for option in options(role).values())


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_its_rooms(role):
    present = {path.relative_to(ROOT / "roles" / role).as_posix() for path in (ROOT / "roles" / role).rglob("*.*")}
    assert {
        "README.md",
        "defaults/main.yml",
        "meta/argument_specs.yml",
        "meta/main.yml",
        "tasks/main.yml",
        "tasks/apply.yml",
    } <= present


def test_every_role_has_a_scenario():
    tested = {path.parent.name.split("-")[0] for path in ROOT.glob("molecule/*/molecule.yml")}
    assert not CHANGES - tested


def test_roles_that_only_look_are_applied_by_the_drift_run_and_tested_with_it():
    plays = [play for play in load(ROOT / "playbooks" / "drift.yml") if "hosts" in play][1:]
    assert {play["hosts"] for play in plays} == LOOKS
    assert all(play["tags"] == [play["hosts"]] for play in plays)
    assert (ROOT / "molecule" / "drift" / "molecule.yml").is_file()


def test_every_role_is_applied_by_the_site_and_named_in_the_readme():
    plays = load(ROOT / "playbooks" / "site.yml")
    assert {play["hosts"] for play in plays[1:-2]} == CHANGES
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"`{role}`" in readme for role in ROLES)


def test_the_first_play_checks_exactly_the_roles_that_follow():
    first, *plays, told, last = load(ROOT / "playbooks" / "site.yml")
    assert first["vars"]["__site_known"] == [*(play["hosts"] for play in plays), *LOOKS]
    # It meets every host, so that one which no role reaches is told.
    assert first["hosts"].startswith("{{ ['all'] + (groups['unmanaged']")
    assert [task["vars"]["__connect_roles"] for task in first["tasks"] if "vars" in task] == ["{{ __site_roles }}"]
    # The last two only tell people what comes next, and what was put aside.
    assert [set(task) - {"name", "run_once"} for task in told["tasks"]] == [{"ansible.builtin.debug"}]
    assert [set(task) - {"name", "when"} for task in last["tasks"]] == [{"ansible.builtin.fail"}]


def test_what_the_site_puts_aside_ends_it_as_failed():
    *plays, last = load(ROOT / "playbooks" / "site.yml")
    kept = [task["rescue"] for play in plays for task in play["tasks"] if "rescue" in task]
    # A way in that could not be proven is the end of a host's run.
    assert len(kept) == 3 and all(
        "rescue" not in task for play in plays if play["hosts"] in ("firewall", "sshd") for task in play["tasks"]
    )
    assert {rescue["ansible.builtin.include_tasks"] for (rescue,) in kept} == {"tasks/put_aside.yml"}
    remembered, grouped = load(ROOT / "playbooks" / "tasks" / "put_aside.yml")
    ((name, told),) = remembered["ansible.builtin.set_fact"].items()
    assert told == f"{{{{ {name} | default([]) + [ansible_failed_result.msg] }}}}"
    # Whatever tags are asked for; and it costs a host nothing of which nothing was put aside.
    assert (last["hosts"], last["tags"]) == (
        f"{{{{ groups['{grouped['ansible.builtin.group_by']['key']}'] | default(['all', '!all']) }}}}",
        ["always"],
    )
    assert [task["ansible.builtin.fail"]["msg"] for task in last["tasks"]] == [f"{{{{ {name} | join('\n') }}}}"]


def test_the_example_inventory_has_a_group_for_every_role():
    assert set(ROLES) <= set(load(ROOT / "inventories" / "lab" / "groups.yml"))


def test_example_variables_exist():
    known = {name for role in ROLES for name in options(role)}
    for path in (ROOT / "inventories" / "lab" / "group_vars").rglob("*.yml"):
        assert {name for name in load(path) if not name.startswith("ansible_")} <= known, path


def test_every_unit_test_of_a_plugin_has_its_source():
    for test in (ROOT / "tests" / "unit" / "plugins").rglob("test_*.py"):
        folder = ROOT / "plugins" / test.relative_to(ROOT / "tests" / "unit" / "plugins").parent
        name = test.stem.removeprefix("test_")
        assert any((folder / f"{prefix}{name}.py").is_file() for prefix in ("", "_")), test


def test_each_platform_that_nobody_tests_has_a_job_and_what_is_turned_away_too():
    checks = ROOT / "plugins" / "plugin_utils" / "_preflight" / "check.py"
    known = set(re.findall(r'\("(\w+)", "(\d+)"\): UNTESTED', checks.read_text(encoding="utf-8")))
    matrix = load(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["platforms"]["strategy"]["matrix"]["include"]
    names = {"ubuntu": "Ubuntu", "almalinux": "AlmaLinux", "rockylinux": "Rocky"}
    jobs = {
        (names[image], release.split(".")[0]): job["expected"] for job in matrix for image, release in [job["image"].split(":")]
    }
    # Of Red Hat's own there is no image to be had without an account.
    assert {platform for platform, expected in jobs.items() if expected == "served"} == known - {("RedHat", "9")}
    assert all(platform not in known for platform, expected in jobs.items() if expected == "refused")


def test_galaxys_importer_reads_the_collection_with_the_core_of_the_tests_and_all_that_it_needs_is_pinned():
    frozen = {name: (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8") for name in ("dev", "importer")}
    cores = {name: re.findall(r"^ansible-core==(\S+)", text, re.MULTILINE) for name, text in frozen.items()}
    assert cores["importer"] == cores["dev"] and len(cores["dev"]) == 1
    assert all(re.match(r"#|[\w.-]+==\S+$", line) for line in frozen["importer"].splitlines())
    assert "galaxy_importer==" in frozen["importer"]


MODULES = sorted((ROOT / "plugins" / "modules").glob("*.py"))
# Where an option can come from, or be tried.
USERS = ("roles", "playbooks", "plugins/action", "plugins/plugin_utils", "molecule", "tests")


def documentation(path: Path) -> dict:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "DOCUMENTATION":
            return yaml.safe_load(ast.literal_eval(node.value))
    raise AssertionError(f"{path} documents nothing")


@pytest.fixture(scope="module")
def users() -> dict[Path, str]:
    files = [path for folder in USERS for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".yml", ".j2")]
    return {path: path.read_text(encoding="utf-8") for path in files if path.is_file() and path.name != "argument_specs.yml"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_option_of_a_module_is_set_or_tested_somewhere(users, path):
    """Looked for where the module is named, and on the controller's side, which may set options of any."""
    near = [text for file, text in users.items() if "plugins" in file.relative_to(ROOT).parts[:1] or path.stem in text]
    unused = [
        name for name in documentation(path).get("options", {}) if not any(re.search(rf"\b{name}\b", text) for text in near)
    ]
    assert not unused


def test_each_play_of_the_site_has_its_roles_name_as_a_tag_and_the_page_lists_all_tags():
    plays = load(ROOT / "playbooks" / "site.yml")[1:-2]
    tags = {play["hosts"]: play["tags"] for play in plays}
    assert set(tags) == CHANGES and all(role in own for role, own in tags.items())
    for page in ("tags.md", "tags.zh.md"):
        rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
        told = {role: group for group, roles in rows for role in re.findall(r"`(\w+)`", roles)}
        assert told == {role: own[0] for role, own in tags.items()}


def test_a_drift_run_passes_over_each_role_that_fails_and_a_role_still_rescues_what_it_wants_to():
    plays = [play for name in ("site", "drift") for play in load(ROOT / "playbooks" / f"{name}.yml")]
    rule = "{{ __site_compare_all | default(false) }}"
    assert {play["hosts"] for play in plays if play.get("ignore_errors") == rule} == CHANGES | {"audit"}
    tasks = [task for path in ROOT.glob("roles/*/tasks/*.yml") for task in load(path) or []]
    rescuing = [task for task in tasks if "rescue" in task]
    assert len(rescuing) > 2 and all(task.get("ignore_errors") is False for task in rescuing)


PLUGINS = ROOT / "plugins"
KINDS = {"action", "callback", "filter", "modules"}


def imported(path: Path) -> set[str]:
    """The files of plugins/ that a file imports, as paths without their end; also inside of functions, and for types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            # `from .room import file`, or `from .room.file import name`.
            files = [base / alias.name for alias in node.names if (base / f"{alias.name}.py").is_file()] or [base]
            assert all(file.with_suffix(".py").is_file() for file in files), f"{path}: {ast.unparse(node)}"
            found |= {file.relative_to(PLUGINS).as_posix() for file in files}
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert not any(name.startswith("ansible_collections") for name in names), (
            f"{path}: found the long way; expected a relative one"
        )
    return found


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    files = [path for path in PLUGINS.rglob("*.py") if "__pycache__" not in path.parts]
    return {path.relative_to(PLUGINS).with_suffix("").as_posix(): imported(path) for path in files}


def room(file: str) -> str:
    """`module_utils/_host` of `module_utils/_host/files`; a file that is in no room is its own."""
    return "/".join(file.split("/")[:2])


def test_rooms_depend_on_each_other_in_one_direction(imports):
    """static_order() raises CycleError where two of them, or two files of one, need each other."""
    rooms: dict[str, set[str]] = {}
    for file, needs in imports.items():
        rooms.setdefault(room(file), set()).update(room(need) for need in needs if room(need) != room(file))
    assert len(list(graphlib.TopologicalSorter(rooms).static_order())) >= 9
    assert len(list(graphlib.TopologicalSorter(imports).static_order())) >= len(imports)


def test_what_hosts_have_never_needs_what_only_the_controller_has(imports):
    for file, needs in imports.items():
        if file.startswith(("module_utils/", "modules/")):
            assert not {need for need in needs if need.startswith("plugin_utils/")}, file


def test_plugins_do_not_import_plugins(imports):
    for file, needs in imports.items():
        assert not {need for need in needs if need.split("/")[0] in KINDS}, file


def test_the_workshop_stands_on_texts_alone(imports):
    needs = {room(need) for file, needs in imports.items() if room(file) == "module_utils/_host" for need in needs}
    assert needs == {"module_utils/_host", "module_utils/_text"}


# What a reader of Chinese met under two names, and the one that the pages have.
ONE_WORD = {"课题组": "实验室", "令牌": "token", "口令": "密码", "您": "你"}


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.zh.md")), ids=lambda page: page.name)
def test_a_chinese_page_has_one_word_for_one_thing(page):
    text = page.read_text(encoding="utf-8")
    assert not {word: right for word, right in ONE_WORD.items() if word in text}
