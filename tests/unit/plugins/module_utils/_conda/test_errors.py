# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import (
    CondaEnvError,
    mask_all,
    secrets,
    unexpected,
)
from ansible_collections.openlab.research_server.plugins.module_utils._text.secrets import mask_urls


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://user:word@h.example/x", "https://***@h.example/x"),
        ("http//user:word@h.example/x", "http//***@h.example/x"),
        ("git+https://to-ken@h.example/x.git@v1", "git+https://***@h.example/x.git@v1"),
        ("https://h.example/t/to-ken/conda", "https://h.example/t/***/conda"),
        ("'https://h.example/t/to-ken'", "'https://h.example/t/***'"),
        ("https://h.example/x?token=abc&y=1", "https://h.example/x?***&y=1"),
        ("https://h.example/@scope/x", "https://h.example/@scope/x"),
        ("numpy 1.26.4 py311_0 conda-forge", "numpy 1.26.4 py311_0 conda-forge"),
    ],
)
def test_credentials_in_urls_are_hidden(text: str, masked: str) -> None:
    assert mask_urls(text) == masked


def test_known_credentials_are_hidden_in_any_form() -> None:
    arguments = {"a": ["https://user:hunter%402@h.example/"], "b": {"c": "https://h.example/t/to-ken/x?key=abcdef"}, "d": None}
    known = secrets(arguments)
    shown = mask_all({"text": "password hunter@2, token 'to-ken', key abcdef", "n": 1}, known)
    assert shown == {"text": "password ***, token '***', key ***", "n": 1}


def test_an_error_names_environment_cause_and_way_out() -> None:
    error = CondaEnvError("cause https://u:secret@h.example", "way out", "raw https://u:secret@h.example")
    assert error.message("nlp") == "conda environment 'nlp': cause https://***@h.example.\nway out"
    assert "secret" not in error.raw


def test_what_nobody_thought_of_is_one_message() -> None:
    try:
        {}["https://u:hunter2@h.example"]
    except KeyError as error:
        failure = unexpected(error)
    message = failure.message("nlp")
    assert message.startswith("conda environment 'nlp': the module failed unexpectedly (KeyError: ")
    assert "Traceback" not in message
    assert "Traceback" in failure.raw
    assert "hunter2" not in message + failure.raw
