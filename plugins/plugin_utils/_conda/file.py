# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read an environment file on the controller; every mistake is reported with file and line. Private to this collection."""

from __future__ import annotations

import os
import re
import typing as t
from collections.abc import Mapping
from pathlib import Path

import yaml

from ...module_utils._conda import requirement
from ...module_utils._conda.errors import CondaEnvError, SpecificationError
from ...module_utils._conda.errors import Path as ItemPath
from ...module_utils._conda.requirements import logical_lines, nested_file, numbered_lines
from ...module_utils._conda.specification import parse
from ...module_utils._text.secrets import mask_urls
from .text import read_text

# Only a depth that no sane set of files has: the loop over files that name each other must end.
_MOST_FILES = 100
_TABLE = re.compile(r"\[{1,2}[\w.\"'-]+\]{1,2}\s*(?:#.*)?$")
# A list in a YAML file may look like a table; what the file begins with does not look like this.
_ASSIGNMENT = re.compile(r"[\w.\"'-]+\s*=(?!=)")
# pip's form: capital letters in braces (requirements file format, "Using environment variables").
_PIP_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_COMMENT = re.compile(r"(?:^|\s)#")
_VARIABLE = re.compile(r"\$(?:\w+|\{[^}]*\})")
_NOT_A_TEMPLATE = (
    "The file is not a template. Fill it in before, or give it as 'definition', for example with"
    " \"{{ lookup('ansible.builtin.template', 'environment.yml.j2') | from_yaml }}\"."
)


def read_definition(path: Path) -> dict[str, t.Any]:
    """Content of an environment file. Raises CondaEnvError with file and line."""
    text = read_text(path)
    _refuse_other_formats(text, path)
    try:
        # Not the one of libyaml: it is faster by some milliseconds, and crashes when nested too deeply.
        reader = yaml.SafeLoader(text)
        node = reader.get_single_node()
        _refuse_duplicates(node, path, set())
        definition = _constructed(reader, node) if node else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        found = text.splitlines()[line - 1] if line <= len(text.splitlines()) else ""
        raise CondaEnvError(
            f"{path}, line {line}: invalid YAML: {error.problem}",
            _NOT_A_TEMPLATE
            if "{{" in found or "{%" in found
            else "Correct the indentation; or, a value with ': ', '#' or a leading '*', '&', '@', '%' needs quotes.",
        ) from None
    except RecursionError:
        raise CondaEnvError(f"{path}: invalid YAML: nested too deeply", "Correct the file.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise CondaEnvError(f"{path}: invalid YAML: {error}", "Correct the file.") from None
    try:
        definition = _with_variables(definition)
        _refuse_lost_digits(node)
        # Channels may come from the task; the module asks for them again.
        parse(definition, channels=("declared-by-the-task",))
    except SpecificationError as error:
        where = _line(node, error.path)
        raise CondaEnvError(f"{path}{where}: {error.cause}", error.way_out) from None
    return t.cast("dict[str, t.Any]", definition)


def _constructed(reader: yaml.SafeLoader, node: yaml.Node) -> t.Any:
    """Content of the document. At a value that does not fit its tag, such as `!!timestamp x`, PyYAML stumbles over itself."""
    try:
        return reader.construct_document(node)
    except (AttributeError, LookupError, TypeError):
        raise yaml.YAMLError("a value does not fit the tag (!!) before it") from None


def _refuse_other_formats(text: str, path: Path) -> None:
    """Name what is often given in place of an environment file, and is no YAML."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if "@EXPLICIT" in (line.strip() for line in lines):
        kind = "an explicit list of packages (@EXPLICIT)"
    elif path.suffix == ".toml" or (lines and _begins_as_toml(lines)):
        kind = "a TOML file, such as those of pixi, poetry and uv"
    else:
        return
    raise CondaEnvError(
        f"{path} is {kind}, not a specification",
        "Give an environment.yml: 'channels' and 'dependencies', as conda documents them.",
    )


def _begins_as_toml(lines: list[str]) -> bool:
    """A table; or keys without one, as in uv.lock, and tables behind them."""
    return bool(_TABLE.match(lines[0]) or (_ASSIGNMENT.match(lines[0]) and any(map(_TABLE.match, lines))))


def _with_variables(definition: t.Any) -> t.Any:
    """Fill in environment variables in channels, as conda does: it is how tokens stay out of files."""
    channels = definition.get("channels") if isinstance(definition, Mapping) else None
    if not isinstance(channels, list):
        return definition
    for index, item in enumerate(channels):
        names = _VARIABLE.findall(item) if isinstance(item, str) else ()
        for name in (name for name in names if name.strip("${}") not in os.environ):
            raise SpecificationError(
                f"found the variable {name} in a channel; it is not set where Ansible runs",
                "Set it there. A dollar sign that belongs to a password is written '%24'.",
                ("channels", index),
            )
    return {**definition, "channels": [os.path.expandvars(item) if isinstance(item, str) else item for item in channels]}


def _refuse_lost_digits(node: yaml.Node | None) -> None:
    """YAML takes 1.10 for the number 1.1; what a variable is set to must be what the file says."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if key.value != "variables" or not isinstance(value, yaml.MappingNode):
            continue
        for name, item in value.value:
            number = yaml.safe_load(yaml.serialize(item)) if item.tag.endswith((":float", ":int")) else None
            if number is not None and str(number) != item.value:
                raise SpecificationError(
                    f"found {item.value}, which YAML takes for the number {number}", "Quote it.", ("variables", name.value)
                )


def _refuse_duplicates(node: yaml.Node | None, path: Path, done: set[int]) -> None:
    """YAML forbids a key twice; the parser would silently take the last. Aliases lead to the same node, even into itself."""
    if id(node) in done:
        return
    done.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if str(key.value) in seen:
                raise CondaEnvError(
                    f"{path}, line {line}: the key '{key.value}' stands already in line {seen[str(key.value)]}",
                    "Join the two.",
                )
            seen[str(key.value)] = line
            _refuse_duplicates(value, path, done)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(item, path, done)


def _line(node: yaml.Node | None, path: ItemPath) -> str:
    """`, line N` of the item that a path leads to; of the last step that exists, if the item itself is missing."""
    line = None
    for step in path:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if str(key.value) == str(step)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return f", line {line}" if line else ""


def collect_pip_files(definition: dict[str, t.Any], folder: Path) -> tuple[dict[str, t.Any], dict[str, str]]:
    """Read the files that `-r` and `-c` name in the pip section, and those that they name.

    Returns the definition with each name replaced by a key, and the texts by key. Keys are paths as seen from `folder`.
    """
    files: dict[str, str] = {}
    dependencies = definition.get("dependencies")
    if not isinstance(dependencies, list):
        return definition, files

    def follow_lines(item: str) -> str:
        # An item may be a piece of a requirements file. It stays one item: mistakes are told with its number.
        return "\n".join(_follow(line, folder, folder, files) for line in logical_lines(item))

    followed = [
        {**item, "pip": [follow_lines(piece) if isinstance(piece, str) else piece for piece in item["pip"]]}
        if isinstance(item, dict) and isinstance(item.get("pip"), list)
        else item
        for item in dependencies
    ]
    return {**definition, "dependencies": followed}, files


def _follow(line: str, folder: Path, root: Path, files: dict[str, str]) -> str:
    line = _with_pip_variables(line)
    nested = nested_file(line)
    if nested is None or "://" in nested[1]:
        return line
    path = (folder / nested[1]).resolve()
    # Never from the top: where the lab's repository is checked out decides nothing.
    key = os.path.relpath(path, root.resolve())
    if key not in files:
        if len(files) >= _MOST_FILES:
            raise CondaEnvError(f"the pip section names more than {_MOST_FILES} files", "Join them.")
        try:
            text = read_text(path)
        except CondaEnvError as error:
            cause = error.cause.removeprefix(f"{path} ").removeprefix(f"{path}, ")
            raise CondaEnvError(f"the pip section names '{nested[1]}', which {cause}", error.way_out) from None
        files[key] = ""
        entries = text.splitlines()
        for number, entry in numbered_lines("\n".join([*entries, ""])):
            try:
                requirement.check(entry)
            except SpecificationError as error:
                raise CondaEnvError(f"{path}, line {number}: {error.cause}", error.way_out) from None
        lines = [_follow(entry, path.parent, root, files) for entry in entries]
        files[key] = "\n".join(lines) + "\n"
    return f"{nested[0]} {key}"


def _with_pip_variables(line: str) -> str:
    """Fill in environment variables, as pip would: on the managed host they are not set, and pip reads past what is not."""
    # pip drops comments first. What stands in one need not be set.
    comment = _COMMENT.search(line)
    end = comment.start() if comment else len(line)
    for name in _PIP_VARIABLE.findall(line, 0, end):
        # For pip an empty variable is none.
        if not os.environ.get(name):
            raise CondaEnvError(
                f"found the variable ${{{name}}} in the line '{mask_urls(line.strip())}' for pip; "
                "it is empty or not set where Ansible runs",
                "Set it there; pip on the managed host does not see it.",
            )
    return _PIP_VARIABLE.sub(lambda found: os.environ[found[1]], line[:end]) + line[end:]


def with_definition(arguments: dict[str, t.Any], file: Path | None, folder: Path) -> dict[str, t.Any]:
    """Arguments of a module with the content of the environment file and of all files that it names.

    `folder` is where files are looked up that a definition names which comes from no file.
    """
    definition = read_definition(file) if file else arguments.get("definition")
    if not isinstance(definition, dict) or "pip_files" in arguments:
        return {**arguments, "definition": definition} if file else arguments
    definition, files = collect_pip_files(definition, file.parent if file else folder)
    return {**arguments, "definition": definition, "pip_files": files}
