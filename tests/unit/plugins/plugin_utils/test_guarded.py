# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible_collections.openlab.research_server.plugins.plugin_utils._guarded import guarded

ACTIONS = sorted((Path(__file__).parents[4] / "plugins" / "action").glob("*.py"))
EVIL = "\x1b[2J\u202eclean"
TOLD = r"\x1b[2J\u202eclean"


def test_a_result_is_shown() -> None:
    @guarded
    def run(text: str) -> dict[str, object]:
        return {
            "msg": text,
            "warnings": [text],
            "diff": [{"before": text, "after": "b", "before_header": f"{text}\n"}],
            "port": 22,
        }

    assert run(EVIL) == {
        "msg": TOLD,
        "warnings": [TOLD],
        "diff": [{"before": TOLD, "after": "b", "before_header": rf"{TOLD}\n"}],
        "port": 22,
    }


@pytest.mark.parametrize("kind", [AnsibleActionFail, AnsibleConnectionFailure])
def test_an_error_stays_what_it_is_and_is_shown(kind: type[Exception]) -> None:
    @guarded
    def run() -> dict[str, object]:
        raise kind(f"the host says {EVIL}, token=s3cret")

    with pytest.raises(kind) as caught:
        run()
    assert str(caught.value) == f"the host says {TOLD}, token=***"


@pytest.mark.parametrize("path", ACTIONS, ids=lambda path: path.stem)
def test_every_action_plugin_leaves_by_the_common_way(path: Path) -> None:
    """Whoever writes one sees here that it needs this."""
    plugin = importlib.import_module(f"ansible_collections.openlab.research_server.plugins.action.{path.stem}")
    assert plugin.ActionModule.run.__code__.co_filename.endswith("/_guarded.py")
