# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that is run by a Python which is loaded already is as by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from loaded import Loaded

SHOW = "import os, sys; print(sys.stdin.read(), sys.argv[1:], dict(os.environ), os.getsid(0) == os.getpid(), flush=True); sys.exit('no')"
LEAVE = "import atexit, os, sys; sys.left = os.environ['LEFT'] = 'x'; atexit.register(print, 'the end')"


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return Loaded(sys.executable, "import json.tool", {"LEFT": "before"})


def test_it_has_its_own_input_arguments_environment_and_end(loaded: Loaded) -> None:
    done = loaded.run(SHOW, "one", environment={"A": "1"}, given="told ü")
    assert (done.returncode, done.stderr) == (1, "no\n")
    assert done.stdout == "told ü ['one'] {'A': '1'} True\n"


def test_it_leaves_nothing_to_the_next(loaded: Loaded) -> None:
    assert loaded.run(LEAVE, environment={}).stdout == "the end\n"
    show = "import os, sys; print(hasattr(sys, 'left'), dict(os.environ), 'json.tool' in sys.modules)"
    assert loaded.run(show, environment={}).stdout == "False {} True\n"


def test_one_that_is_killed_ends_alone(loaded: Loaded) -> None:
    assert loaded.run("import os; os.kill(os.getpid(), 9)", environment={}).returncode == -9
    assert loaded.run("print(1)", environment={}).stdout == "1\n"


def test_one_that_takes_too_long_is_ended_and_is_not_taken_for_the_next(loaded: Loaded, tmp_path: Path) -> None:
    begun = f"import os, time; open({str(tmp_path / 'begun')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(subprocess.TimeoutExpired):
        loaded.run(begun, environment={}, seconds=5)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "begun").read_text()), 0)
    assert loaded.run("print(1)", environment={}).stdout == "1\n"
