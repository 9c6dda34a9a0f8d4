# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.lock import digest_of
from ansible_collections.openlab.research_server.plugins.module_utils._conda.specification import Settings, parse
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight.jupyterhub import check, warnings

FITS: dict[str, t.Any] = {
    "jupyterhub_users": ["ada", "grace.h"],
    "jupyterhub_client_id": "lab",
    "jupyterhub_client_secret": "not for your eyes",
    "jupyterhub_authorize_url": "https://login.example.org/authorize",
    "jupyterhub_token_url": "https://login.example.org/token",
    "jupyterhub_userdata_url": "http://localhost:9400/userinfo",
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, ""),
        ({"jupyterhub_users": []}, ""),
        ({"jupyterhub_users": ["root"]}, "jupyterhub_users: found 'root'"),
        ({"jupyterhub_users": ["a|b"]}, "jupyterhub_users: found 'a|b'"),
        ({"jupyterhub_users": ["Ada"]}, "jupyterhub_users: found 'Ada'"),
        ({"jupyterhub_client_secret": " "}, "jupyterhub_client_secret: found nothing"),
        ({"jupyterhub_client_id": ""}, "jupyterhub_client_id: found nothing"),
        ({"jupyterhub_token_url": "http://login.example.org/token"}, "jupyterhub_token_url: found 'http://login"),
        ({"jupyterhub_token_url": "http://localhost.example.org/token"}, "jupyterhub_token_url: found 'http://localhost."),
        ({"jupyterhub_token_url": "https:///token"}, "jupyterhub_token_url: found 'https:///token'"),
        ({"jupyterhub_authorize_url": "https://login.example.org/a b"}, "jupyterhub_authorize_url: found"),
        ({"jupyterhub_userdata_url": "https://[::1/"}, "jupyterhub_userdata_url: found"),
        ({"jupyterhub_database_url": "postgresql+psycopg:///hub?host=/run/postgresql"}, ""),
        ({"jupyterhub_database_url": "postgresql://hub@db/hub", "jupyterhub_database_password": "your eyes"}, ""),
        ({"jupyterhub_database_url": "postgresql://hub:your%20eyes@db/hub"}, "jupyterhub_database_url: expected"),
        ({"jupyterhub_database_url": "postgresql://hub@[::1]:5432/hub"}, ""),
        ({"jupyterhub_database_url": "postgresql+psycopg://hub:your eyes/9@db/hub"}, "jupyterhub_database_url: expected"),
        ({"jupyterhub_database_url": "postgresql://hub:your eyes?#@db/hub"}, "jupyterhub_database_url: expected"),
        ({"jupyterhub_database_url": "postgresql://h/b:your eyes@db/hub"}, "jupyterhub_database_url: expected"),
        ({"jupyterhub_database_url": "postgresql:hub:your eyes@db/hub"}, "jupyterhub_database_url: expected"),
        ({"jupyterhub_database_url": "postgresql://db/hub?%70assword=your eyes"}, "jupyterhub_database_url: expected"),
        ({"jupyterhub_database_url": "postgresql://db/hub?a=b#&password=your eyes"}, "jupyterhub_database_url: expected"),
        ({"jupyterhub_database_url": "postgresql://db/hub?password=your eyes"}, "jupyterhub_database_url: expected"),
        ({"jupyterhub_database_url": "postgresql://[db/hub"}, "jupyterhub_database_url: expected"),
        ({"jupyterhub_database_url": "postgresql://db"}, "jupyterhub_database_url: expected"),
        ({"jupyterhub_database_url": "mysql://db/hub"}, "jupyterhub_database_url: expected"),
        ({"jupyterhub_database_password": "not for your eyes"}, "jupyterhub_database_password: found one without"),
    ],
)
def test_what_makes_no_sense_is_told_without_the_secret(change: dict[str, t.Any], says: str) -> None:
    found = check({**FITS, **change})
    assert len(found) == bool(says) and all(line.startswith(says) and "your eyes" not in line for line in found)


def test_with_passwords_a_provider_is_not_asked_and_not_to_be_named() -> None:
    nobody = {name: "" for name in FITS if name != "jupyterhub_users"}
    assert check({**FITS, **nobody, "jupyterhub_login": "pam"}) == []
    found = check({**FITS, "jupyterhub_login": "pam"})
    assert [line.partition(":")[0] for line in found] == [name for name in FITS if name != "jupyterhub_users"]
    assert all("found a value with 'jupyterhub_login: pam'" in line and "your eyes" not in line for line in found)
    assert check({**FITS, **nobody, "jupyterhub_login": "pam", "jupyterhub_users": ["root"]})


def test_what_is_no_list_of_packages_is_told() -> None:
    (problem,) = check({**FITS, "jupyterhub_packages": []})
    assert problem.startswith("jupyterhub_packages: ") and "has no dependencies" in problem


def test_a_lock_that_is_asked_for_is_there_and_fits_before_the_first_change(tmp_path: Path) -> None:
    path, made_of = tmp_path / "jupyterhub.linux-64.lock.json", ["python=3.11", "pip", {"pip": ["jupyterhub==6.1.1"]}]
    asked = {**FITS, "jupyterhub_lock": str(path), "jupyterhub_packages": made_of, "jupyterhub_lock_policy": "require"}
    liked = {**asked, "jupyterhub_lock_policy": "prefer"}
    (problem,) = check(asked)
    assert "there is no lock" in problem and "jupyterhub_lock_policy" in problem
    assert check(liked) == warnings(liked) == []
    package = {"name": "a", "version": "1", "build": "0", "build_number": 0, "channel": "conda-forge", "sha256": "0" * 64}
    content = {
        "format": 1,
        "platform": "linux-64",
        "conda_version": "24.7.1",
        "specification": digest_of(parse({"dependencies": made_of}, {}, ("conda-forge",)), Settings()),
        "channels": ["conda-forge"],
        "specs": ["python=3.11", "pip"],
        "conda": [{**package, "url": "https://a.example/conda-forge/noarch/a-1-0.conda"}],
        "pip": [{"name": "jupyterhub", "version": "6.1.1", "file": "jupyterhub-6.1.1.whl", "hashes": [f"sha256:{'0' * 64}"]}],
    }
    path.write_text(json.dumps(content))
    assert check(asked) == warnings(liked) == []
    newer = {"jupyterhub_packages": ["python=3.11", "pip", {"pip": ["jupyterhub==6.2.0"]}]}
    (problem,) = check({**asked, **newer})
    assert "the specification has changed since it was locked" in problem
    (told,) = warnings({**liked, **newer})
    assert "is not followed" in told
