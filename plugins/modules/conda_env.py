# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a conda environment exactly as its specification says."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_env
short_description: Keep a conda environment exactly as its specification says
version_added: 0.1.0
description:
  - Makes a conda environment what an C(environment.yml) says, no more and no less, or removes it.
  - Each specification is built in a prefix of its own, C(envs/.generations/<name>-<digest>.<n>). When it is complete and has
    passed all checks, the link C(envs/<name>) is switched to it in one step. Until then, and after any failure (an error, a full
    disk, a killed process, a power cut), people use the environment as it was; the next run removes what was left half-done.
  - The packages are a function of the specification and of the state of its channels. What was in the environment before,
    and every C(.condarc) on the host, has no influence.
  - An environment that is as it should be is recognised from the metadata of its records, without starting conda.
    Everything that conda or pip installed, removed or changed by hand in between is noticed, and the environment is built again.
author:
  - openlab.research_server maintainers (@openlab)
requirements:
  - conda 24.7 or newer on the managed host
  - Linux
attributes:
  check_mode:
    description:
      - Solves in a scratch folder and returns the same C(changed), C(plan) and diff as the run that would follow.
      - On a host without conda the plan is the specification itself, because there is nothing to solve with yet.
    support: full
  diff_mode:
    description: Shows packages as C(name version build channel), and the lines given to pip.
    support: full
  idempotent:
    description: A second run changes nothing and starts no conda.
    support: full
options:
  name:
    description:
      - Name of the environment; it stands at C(<conda_root>/envs/<name>).
      - One of O(name) and O(prefix) is required.
    type: str
  prefix:
    description:
      - Absolute path of the environment, in place of a name.
    type: path
  src:
    description:
      - Path on the controller of an C(environment.yml), absolute or relative to C(files/) of the role or to the play.
      - Read by the controller, so the managed host needs no YAML library. Files named by C(-r) or C(-c) in the C(pip:) section
        are read with it. It is not a template.
      - C(name:) and C(prefix:) in the file are ignored.
    type: path
  definition:
    description:
      - The same content as a mapping, in place of O(src).
      - Keys are C(channels), C(dependencies) (with an optional C(pip:) section) and C(variables).
      - The match specifications, channel names and requirement lines are those of conda and pip.
    type: raw
  pip_files:
    description:
      - Content of the files that C(-r) and C(-c) name in the C(pip:) section, by the name used there.
      - Filled by the controller; there is no need to set it.
    type: dict
  state:
    description:
      - V(present) makes the environment what the specification says.
      - V(absent) removes the environment with all its generations, also one that this module did not make.
      - V(rolled_back) switches the link back to the generation that people had before the present one, in one step and without
        conda; O(generation) names another one. It needs one that was kept, see O(keep_generations). A second run changes nothing.
        The next run with V(present) builds what its specification says, also if that is the one that people were sent back from.
      - Without a former generation V(rolled_back) goes back to an environment that stood at the path before this module came.
    type: str
    choices: [present, absent, rolled_back]
    default: present
  conda_root:
    description: Prefix of the conda installation that solves and installs.
    type: path
    default: /opt/miniconda3
  channels:
    description:
      - Channels for a specification that declares none. Without them such a specification is an error.
    type: list
    elements: str
    default: []
  channel_alias:
    description:
      - URL that channel names are appended to, for example of a mirror. Without it conda's own, C(https://conda.anaconda.org).
    type: str
  custom_channels:
    description:
      - Channel names with the URL they stand for, without the name itself, as C(custom_channels) in C(.condarc).
    type: dict
    default: {}
  default_channels:
    description:
      - URLs that the channel name C(defaults) stands for. Without them conda's own.
      - The channel C(defaults) is used only by a specification that declares it.
    type: list
    elements: str
    default: []
  channel_priority:
    description:
      - V(flexible) prefers the first channel that has a package, and takes from a later one what cannot be satisfied otherwise.
        It is conda's own default, so a file means here what it means elsewhere.
      - V(strict) never takes a package from a later channel if an earlier one has any version of it, not even for a specification
        such as C(pytorch::pytorch). V(disabled) ignores the order.
    type: str
    choices: [strict, flexible, disabled]
    default: flexible
  smoke:
    description:
      - Python modules that must be importable before the environment is switched to.
    type: list
    elements: str
    default: []
  adopt:
    description:
      - What to do with an environment, or an unfinished one, that stands at the path and was not made by this module.
      - V(true) moves it to C(.generations/<name>.adopted.<n>) when the new one is ready. It is kept there until
        O(state=absent) or a person removes it.
      - V(false) refuses to work.
      - A directory that is not a conda environment is always refused.
    type: bool
    default: true
  prune:
    description:
      - Whether packages go that nothing in the specification needs.
      - V(false) keeps what people added with conda or pip to what the specification says. A new generation is built from both,
        with precisely the version and build that people have; what does not go with the specification is an error that names it.
      - What people add or remove beside the specification is no change then. Packages of a former specification stay, too.
      - A package of pip over the same one of conda is never kept.
    type: bool
    default: true
    version_added: 0.2.0
  keep_generations:
    description:
      - Number of former generations to keep. One that a process still runs from is kept in any case, and removed by a later run.
    type: int
    default: 1
  generation:
    description:
      - Name of the generation to go back to, with O(state=rolled_back), as RV(generation) and RV(notes) tell it.
      - With it an environment that was rolled back can go further back, or forward again.
    type: str
    version_added: 0.2.0
  frozen:
    description:
      - Whether people are to be stopped from changing the environment. Writes conda's own marker C(conda-meta/frozen).
      - conda 25.5 and newer refuse to install, update and remove there and show O(frozen_message). Older ones do not know the
        marker, and neither pip nor C(conda env create) asks for it; what somebody changed is noticed by the next run in any case.
      - This module works through it. Only to write or to remove the marker, nothing is built again.
    type: bool
    default: false
    version_added: 0.2.0
  frozen_message:
    description: What conda shows to a person who wants to change a frozen environment; say how to request a change.
    type: str
    default: >-
      This environment is managed with Ansible, which undoes changes by hand.
      To request a change, ask the administrators of this server.
    version_added: 0.2.0
  lock_timeout:
    description:
      - Seconds to wait for another run that uses the same conda installation.
    type: int
    default: 1800
  offline:
    description:
      - Use nothing but C(file://) channels and the package cache; pip gets C(--no-index).
    type: bool
    default: false
notes:
  - The conda installation itself (C(base)) is always refused.
  - pip runs with C(--isolated); C(/etc/pip.conf) on the host stays in effect. pip is constrained to the versions
    that conda installed, so it never replaces a package of conda.
  - Variables C(CONDA_*), C(PIP_*) and C(PYTHON*) have no influence, but C(CONDA_OVERRIDE_*) (virtual packages) stays.
  - Long-running processes should be started from the real path (C(readlink -f)), so that they keep their generation.
seealso:
  - name: Environment files
    description: What a specification may say.
    link: https://docs.conda.io/projects/conda/en/stable/user-guide/tasks/manage-environments.html
"""

EXAMPLES = r"""
- name: An environment from a file beside the inventory
  openlab.research_server.conda_env:
    name: nlp
    src: "{{ inventory_dir }}/envs/nlp.yml"
    smoke: [torch, transformers]

- name: An environment from data, with packages from a mirror
  openlab.research_server.conda_env:
    name: stats
    channel_alias: https://mirror.example.org/conda
    definition:
      channels: [conda-forge]
      dependencies:
        - python=3.11
        - numpy>=1.26,<3
        - pip:
            - "lifelines==0.30.0"

- name: Stop people from changing an environment, and tell them what to do instead
  openlab.research_server.conda_env:
    name: nlp
    src: "{{ inventory_dir }}/envs/nlp.yml"
    frozen: true
    frozen_message: Edit envs/nlp.yml in the repository 'server' and open a merge request.

- name: Give people the environment back that they had before the last change
  openlab.research_server.conda_env:
    name: nlp
    state: rolled_back

- name: Remove an environment
  openlab.research_server.conda_env:
    name: old-project
    state: absent
"""

RETURN = r"""
plan:
  description: What was done or, in check mode, what would be done.
  returned: success
  type: dict
  contains:
    action:
      description: >-
        V(none), V(create), V(replace), V(adjust) (settings of the environment, no packages), V(roll_back) or V(remove).
      type: str
    reasons:
      description: Why the environment was not as it should be.
      type: list
      elements: str
    install:
      description: "New lines: C(name version build channel) for conda, C(pip: requirement) for pip."
      type: list
      elements: str
    remove:
      description: Lines that go.
      type: list
      elements: str
  sample:
    action: replace
    reasons: ["the specification has changed"]
    install: ["numpy 2.1.3 py311h71ddf71_0 https://conda.anaconda.org/conda-forge"]
    remove: ["numpy 1.26.4 py311h64a7726_0 https://conda.anaconda.org/conda-forge"]
prefix:
  description: Path that people use.
  returned: success
  type: str
  sample: /opt/miniconda3/envs/nlp
generation:
  description: Real path behind it; in check mode that of the present generation. Empty if there is none.
  returned: success
  type: str
  sample: /opt/miniconda3/envs/.generations/nlp-3f2a90c1d7e4.1
digest:
  description: SHA-256 over the specification and the settings that choose packages.
  returned: state is present
  type: str
  sample: 3f2a90c1d7e4...
packages:
  description: All packages that are in a newly built environment.
  returned: when the environment was built
  type: list
  elements: dict
  sample: [{"name": "numpy", "version": "2.1.3", "build": "py311h71ddf71_0", "channel": "https://conda.anaconda.org/conda-forge"}]
conda_version:
  description: Version of the conda that was asked.
  returned: when conda was asked
  type: str
  sample: 24.7.1
swept:
  description: Former and unfinished generations that were removed. They do not count as a change.
  returned: success
  type: list
  elements: str
  sample: []
kept:
  description: Where a directory was moved that stood at the path.
  returned: when there was one
  type: str
  sample: /opt/miniconda3/envs/.generations/nlp.adopted.1
notes:
  description: Parts of the specification that have no effect, defaults that were used, and generations to go back to.
  returned: success
  type: list
  elements: str
  sample: ["'name: nlp' in the specification is ignored: the task names the environment"]
msg:
  description: On failure the environment, the cause and the way out.
  returned: failure
  type: str
  sample: "conda environment 'nlp': packages are not in the declared channels: nunpy"
stderr:
  description: On failure the raw output of conda or pip, without credentials.
  returned: failure, when there is some
  type: str
  sample: ""
"""

import dataclasses
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import (
    _conda_build,
    _conda_extras,
    _conda_frozen,
    _conda_generations,
    _conda_pip,
    _conda_rollback,
    _conda_state,
)
from ..module_utils._conda_errors import CondaEnvError, from_system, mask, mask_all, secrets
from ..module_utils._conda_generations import Found, Layout
from ..module_utils._conda_mutex import exclusive, lock_file, writable_home
from ..module_utils._conda_plan import Actual, Plan, as_lines, reasons
from ..module_utils._conda_process import clean_environment, runner
from ..module_utils._conda_records import conda_packages, pip_packages
from ..module_utils._conda_solver import PACKAGE_CACHE, PRIVATE_CACHE, Conda, ask
from ..module_utils._conda_spec import Settings, Specification, check_name, parse

FROZEN_MESSAGE = (
    "This environment is managed with Ansible, which undoes changes by hand. "
    "To request a change, ask the administrators of this server."
)

ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str"},
    "prefix": {"type": "path"},
    "src": {"type": "path"},
    "definition": {"type": "raw"},
    "pip_files": {"type": "dict"},
    "state": {"type": "str", "choices": ["present", "absent", "rolled_back"], "default": "present"},
    "conda_root": {"type": "path", "default": "/opt/miniconda3"},
    "channels": {"type": "list", "elements": "str", "default": []},
    "channel_alias": {"type": "str"},
    "custom_channels": {"type": "dict", "default": {}},
    "default_channels": {"type": "list", "elements": "str", "default": []},
    "channel_priority": {"type": "str", "choices": ["strict", "flexible", "disabled"], "default": "flexible"},
    "smoke": {"type": "list", "elements": "str", "default": []},
    "adopt": {"type": "bool", "default": True},
    "prune": {"type": "bool", "default": True},
    "keep_generations": {"type": "int", "default": 1},
    "generation": {"type": "str"},
    "frozen": {"type": "bool", "default": False},
    "frozen_message": {"type": "str", "default": FROZEN_MESSAGE},
    "lock_timeout": {"type": "int", "default": 1800},
    "offline": {"type": "bool", "default": False},
}


class Task:
    """What the task asks for, and the steps to it."""

    def __init__(self, arguments: dict[str, t.Any], check_mode: bool, scratch: str) -> None:
        self.arguments = arguments
        self.check_mode = check_mode
        self.scratch = scratch
        root = arguments["conda_root"]
        if arguments["name"]:
            check_name(arguments["name"])
        link = os.path.abspath(arguments["prefix"] or os.path.join(root, "envs", arguments["name"]))
        self.layout = Layout(link)
        if os.path.realpath(link) == os.path.realpath(root) or os.path.exists(os.path.join(link, "condabin", "conda")):
            raise CondaEnvError(
                f"{link} is the conda installation itself",
                "Give the environment another name: packages for people do not belong into the base environment.",
            )
        check_name(self.layout.name)
        self.conda = Conda(
            root=root,
            pkgs_dir=os.path.join(writable_home(root), self.package_cache()),
            settings=Settings(
                channel_alias=(arguments["channel_alias"] or "").rstrip("/"),
                custom_channels=tuple(sorted(arguments["custom_channels"].items())),
                default_channels=tuple(arguments["default_channels"]),
                channel_priority=arguments["channel_priority"],
            ),
            offline=arguments["offline"],
        )
        self.environment = clean_environment(os.environ, scratch)
        self.frozen: str | None = mask(arguments["frozen_message"]) if arguments["frozen"] else None

    def package_cache(self) -> str:
        """conda writes the URLs of packages into its cache: one that others cannot enter, if they carry credentials."""
        definition = self.arguments["definition"]
        channels = definition.get("channels") if isinstance(definition, dict) else None
        places = [self.arguments[key] for key in ("channels", "channel_alias", "custom_channels", "default_channels")]
        return PRIVATE_CACHE if secrets([channels, *places]) else PACKAGE_CACHE

    def run(self) -> dict[str, t.Any]:
        """Do what the task says; returns the module's result."""
        steps = {"present": self.present, "absent": self.absent, "rolled_back": self.rolled_back}
        return steps[self.arguments["state"]]()

    def lock(self) -> t.Any:
        return exclusive(lock_file(self.conda.root), self.layout.name, self.arguments["lock_timeout"])

    def read(self, digest: str) -> tuple[Actual, tuple[str, ...]]:
        """What is there, and why that is not what should be. Cheap when nothing changed."""
        found = self.layout.found()
        if found is Found.MISSING:
            return Actual(), reasons(Actual(), digest, False)
        _conda_generations.require_room(self.layout, found, self.arguments["adopt"])
        generation = self.layout.current() if found is Found.GENERATION else None
        state = _conda_state.load(generation) if generation else None
        confirmed = _conda_state.confirm(state) if state else None
        frozen = _conda_frozen.read(generation or self.layout.link)
        prune = self.arguments["prune"]
        if confirmed is not None and confirmed.digest == digest and not (prune and confirmed.kept):
            if confirmed is not state and not self.check_mode:
                _conda_state.write(confirmed)
            return Actual(exists=True, state=confirmed, frozen=frozen), ()
        drift = state is not None and confirmed is None
        prefix = generation or self.layout.link
        unreadable = ""
        try:
            conda = tuple(conda_packages(prefix))
        except CondaEnvError as error:
            unreadable, conda = error.cause, state.conda if state else ()
        pip = tuple(pip_packages(prefix))
        actual = Actual(True, state, conda, pip, unreadable, frozen, _conda_extras.shadows(prefix, pip))
        accepted = None if prune else _conda_extras.tolerated(actual)
        if accepted is not None:
            if not self.check_mode:
                _conda_state.write(accepted)
            actual, drift = dataclasses.replace(actual, state=accepted), False
        return actual, reasons(actual, digest, drift, prune)

    def present(self) -> dict[str, t.Any]:
        arguments = self.arguments
        specification = parse(arguments["definition"], arguments["pip_files"], arguments["channels"])
        _conda_pip.check_files(specification)
        _conda_build.check_modules(arguments["smoke"])
        digest = specification.digest(self.conda.settings)
        actual, why = self.read(digest)
        facts = {"digest": digest, "notes": list(specification.notes)}
        adjusted = Plan() if why else self.adjusted(actual)
        if not why and not adjusted.changed and not _conda_generations.superseded(self.layout, arguments["keep_generations"]):
            return self.report(adjusted, **facts)
        if self.check_mode:
            return self.foresee(specification, actual, why, facts) if why else self.report(adjusted, **facts)
        if why and not self.conda.exists():
            raise CondaEnvError(
                f"there is no conda installation at {self.conda.root}",
                "Install one first, for example with the role 'miniconda', or set 'conda_root'.",
            )
        with self.lock() as handle:
            # Another run may have done it while this one waited.
            actual, why = self.read(digest)
            if not why:
                return self.report(self.adjust(actual), swept=self.sweep(), **facts)
            return self.replace(specification, actual, why, facts, handle)

    def foresee(
        self, specification: Specification, actual: Actual, why: tuple[str, ...], facts: dict[str, t.Any]
    ) -> dict[str, t.Any]:
        """The plan of `replace`, from the same solve, without writing anything."""
        if not self.conda.exists():
            facts["notes"].append(f"there is no conda at {self.conda.root} yet: the plan is the specification, not its solution")
            after = [*specification.conda, *(f"pip: {mask(line)}" for line in specification.pip)]
            return self.report(self.plan(actual, why, after), **facts)
        extras = self.extras(specification)
        solution = ask(
            self.conda,
            specification,
            self.layout.next(facts["digest"]),
            run=runner(),
            environment=self.environment,
            scratch=self.scratch,
            install=False,
            keep=extras.conda,
        )
        plan = self.plan(actual, why, as_lines(solution.packages, (*specification.pip, *extras.pip)))
        return self.report(plan, conda_version=solution.conda_version, **facts)

    def replace(
        self,
        specification: Specification,
        actual: Actual,
        why: tuple[str, ...],
        facts: dict[str, t.Any],
        handle: int,
    ) -> dict[str, t.Any]:
        """Build a generation and switch to it. The lock is held."""
        os.makedirs(self.conda.pkgs_dir, mode=0o700 if self.conda.pkgs_dir.endswith(PRIVATE_CACHE) else 0o755, exist_ok=True)
        # What a killed run left goes first: it may be what fills the disk.
        swept = self.sweep()
        prefix = self.layout.next(facts["digest"])
        extras = self.extras(specification)
        try:
            solution, state, warnings = _conda_build.build(
                self.conda,
                specification,
                prefix,
                digest=facts["digest"],
                smoke=self.arguments["smoke"],
                run=runner(handle),
                environment=self.environment,
                scratch=self.scratch,
                extras=extras,
            )
        except (CondaEnvError, OSError):
            if os.path.lexists(prefix):
                _conda_generations.remove(self.layout, [prefix])
            raise
        _conda_frozen.write(prefix, self.frozen)
        kept = _conda_generations.switch(self.layout, prefix)
        facts["notes"] += [f"pip check: {line}" for line in warnings]
        return self.report(
            self.plan(actual, why, as_lines(solution.packages, (*specification.pip, *extras.pip))),
            conda_version=solution.conda_version,
            packages=[vars(package) for package in (*state.conda, *state.pip)],
            swept=swept + self.sweep(),
            **({"kept": kept} if kept else {}),
            **facts,
        )

    def extras(self, specification: Specification) -> _conda_extras.Extras:
        """What of the present environment is to stay beside the specification."""
        if self.arguments["prune"]:
            return _conda_extras.NO_EXTRAS
        return _conda_extras.extras(self.layout.current() or self.layout.link, specification)

    def adjusted(self, actual: Actual) -> Plan:
        """What is to be done to an environment whose packages are right."""
        reason = _conda_frozen.reason(actual.frozen, self.frozen)
        before, after = _conda_frozen.line(actual.frozen), _conda_frozen.line(self.frozen)
        return Plan("adjust", (reason,), settings_before=before, settings_after=after) if reason else Plan()

    def adjust(self, actual: Actual) -> Plan:
        """Do it. The mutex is held."""
        plan = self.adjusted(actual)
        generation = self.layout.current()
        if plan.changed and generation is not None:
            _conda_frozen.write(generation, self.frozen)
        return plan

    def rolled_back(self) -> dict[str, t.Any]:
        wanted = self.arguments["generation"] or ""
        step = _conda_rollback.choose(self.layout, wanted)
        if not step.target or self.check_mode:
            return self.report(self.back(step), notes=list(step.notes))
        with self.lock():
            step = _conda_rollback.choose(self.layout, wanted)
            plan = self.back(step)
            if step.target:
                _conda_rollback.mark(step.target, self.layout.current())
                _conda_generations.switch(self.layout, step.target)
        return self.report(plan, notes=list(step.notes))

    def back(self, step: _conda_rollback.Step) -> Plan:
        """A switch to another generation as a plan."""
        if not step.target:
            return Plan()
        current = self.layout.current()
        reason = f"the environment is to be {os.path.basename(step.target)} again"
        return Plan("roll_back", (reason,), contents(current), contents(step.target))

    def absent(self) -> dict[str, t.Any]:
        found = self.layout.found()
        if found is Found.OTHER:
            _conda_generations.require_room(self.layout, found, True)
        prefix = self.layout.current() or self.layout.link
        generations = self.layout.generations()
        if found is Found.MISSING and not generations:
            return self.report(Plan())
        before = contents(prefix) if found in (Found.GENERATION, Found.ENVIRONMENT) else ()
        plan = Plan("remove", ("the environment is to be absent",), before)
        if not self.check_mode:
            with self.lock():
                _conda_generations.remove(self.layout, _conda_generations.take_away(self.layout))
        return self.report(plan)

    def plan(self, actual: Actual, why: tuple[str, ...], after: list[str]) -> Plan:
        settings = _conda_frozen.line(actual.frozen), _conda_frozen.line(self.frozen)
        return Plan("replace" if actual.exists else "create", why, tuple(actual.lines()), tuple(after), *settings)

    def sweep(self) -> list[str]:
        """Remove generations that nobody needs or uses any more."""
        paths = _conda_generations.superseded(self.layout, self.arguments["keep_generations"])
        used = _conda_generations.in_use(paths)
        free = [path for path in paths if path not in used]
        _conda_generations.remove(self.layout, free)
        return free

    def report(self, plan: Plan, **more: t.Any) -> dict[str, t.Any]:
        result: dict[str, t.Any] = {
            "changed": plan.changed,
            "plan": plan.to_dict(),
            "prefix": self.layout.link,
            "generation": self.layout.current() or "",
            "swept": [],
            **more,
        }
        if plan.changed:
            result["diff"] = plan.diff(self.layout.link)
        return result


def contents(prefix: str | None) -> tuple[str, ...]:
    """Packages in a prefix as lines of a diff."""
    if prefix is None or not os.path.isdir(prefix):
        return ()
    try:
        return tuple(as_lines([*conda_packages(prefix), *pip_packages(prefix)], ()))
    except CondaEnvError as error:
        return (error.cause,)


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_one_of=[("name", "prefix")],
        mutually_exclusive=[("name", "prefix"), ("src", "definition")],
        no_log=True,  # keeps the arguments out of the system log: URLs in them may carry credentials
    )
    arguments = module.params
    known = secrets(arguments)
    module.params = mask_all(arguments)
    os.umask(0o022)
    try:
        if arguments["state"] == "present" and arguments["definition"] is None:
            raise CondaEnvError("found neither 'src' nor 'definition'", "Say what the environment shall contain.")
        result = Task(arguments, module.check_mode, module.tmpdir).run()
    except (CondaEnvError, OSError) as error:
        failure = error if isinstance(error, CondaEnvError) else from_system(error)
        shown = {"msg": failure.message(arguments["name"] or arguments["prefix"]), "stderr": failure.raw}
        module.fail_json(**mask_all(shown, known))
    if result.get("kept"):
        module.warn(f"{result['prefix']} was not made by this module; what stood there is kept at {result['kept']}")
    module.exit_json(**mask_all(result, known))


if __name__ == "__main__":
    main()
