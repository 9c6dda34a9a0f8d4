# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of an environment, against a real conda: frozen, kept, given back, checked, given to others, removed."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t

from ansible_collections.openlab.research_server.tests.integration.real_conda import Conda


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
    conda.conda("remove", "-y", "-q", "-n", "open", "single")
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
