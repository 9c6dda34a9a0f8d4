# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JupyterLab as the lab wants it to be: settings, language and extensions as data."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import requests
from people.jupyter_api import wait_until_answers

NOTIFICATION = "@jupyterlab/apputils-extension:notification"
THEMES = "@jupyterlab/apputils-extension:themes"
NEWS = "Would you like to get notified about official Jupyter news?"
NEWS_IN_CHINESE = "您是否希望接收有关官方 Jupyter 新闻的通知"
CHINESE = {
    "jupyter_language": "zh_CN",
    "jupyter_resource_usage": True,
    "jupyter_extensions": ["beautifulsoup4"],
    "jupyter_settings": {THEMES: {"theme": "JupyterLab Dark"}},
}
REQUIRE = {"jupyter_lock_policy": "require"}
PICTURES = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], ".cache/pictures")


@pytest.fixture(scope="session")
def browse(chromium):
    """What a browser has once the scripts of a page have run; a picture of it stays in .cache/pictures."""

    def run(jupyter, folder, picture):
        PICTURES.mkdir(exist_ok=True)
        command = [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}"]
        command += ["--virtual-time-budget=30000", "--window-size=1400,900"]
        page = f"{jupyter.url}/lab?token={jupyter.token}"
        for output in (f"--screenshot={PICTURES / picture}", "--dump-dom"):
            done = subprocess.run([*command, output, page], capture_output=True, text=True, timeout=180, check=False)
        return done.stdout

    return run


def setting(jupyter, plugin, name):
    """(what a person has who set nothing, what the person has set)."""
    answer = jupyter.get(f"/lab/api/settings/{plugin}")
    return answer["schema"]["properties"][name]["default"], answer["settings"].get(name)


def test_nobody_is_asked_about_news(lab_of_alice):
    assert setting(lab_of_alice, NOTIFICATION, "fetchNews") == ("false", None)


@pytest.mark.one_release
def test_what_a_person_has_set_wins(host, lab_of_alice):
    headers = {"Authorization": f"token {lab_of_alice.token}"}
    own = {"raw": json.dumps({"fetchNews": "true"})}
    requests.put(f"{lab_of_alice.url}/lab/api/settings/{NOTIFICATION}", json=own, headers=headers, timeout=30).raise_for_status()
    try:
        assert setting(lab_of_alice, NOTIFICATION, "fetchNews") == ("false", "true")
    finally:
        host.check_output("rm -r /home/alice/.jupyter/lab/user-settings/@jupyterlab/apputils-extension")


@pytest.mark.one_release
def test_a_browser_shows_no_news(lab_of_alice, browse, tmp_path):
    page = browse(lab_of_alice, tmp_path, "launcher.png")
    assert 'class="jp-LauncherCard' in page and 'lang="en"' in page
    assert NEWS not in page


@pytest.fixture(scope="module")
def make_lock(host, converge, tmp_path_factory):
    """Run playbooks/lock.yml, as a lab does; the function returns the number of changes."""
    folder = tmp_path_factory.mktemp("lab")
    groups, variables = folder / "groups.yml", Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], "molecule/shared/vars/ssh.yml")
    groups.write_text(json.dumps({"jupyter": {"hosts": {host.backend.get_hostname(): None}}}))

    def run(**choices):
        done = converge("-i", str(groups), "-e", f"@{variables}", playbook="playbooks/lock.yml", **choices)
        assert done.ok, done.text
        return done.changed

    return run


@pytest.fixture(scope="module")
def choices(tmp_path_factory):
    lock = tmp_path_factory.mktemp("envs") / "jupyter.linux-64.lock.json"
    return {**CHINESE, "jupyter_lock": str(lock)}


@pytest.fixture(scope="module")
def chinese(converge, lab_of_alice, make_lock, choices):
    refused = converge(**choices, **REQUIRE)
    assert refused.changed == 0 and f"there is no lock {choices['jupyter_lock']}" in refused.message
    assert make_lock(**choices) == 1
    outcome = converge(**choices, **REQUIRE)
    assert outcome.ok, outcome.message
    wait_until_answers(lab_of_alice)
    yield lab_of_alice
    assert converge().ok


@pytest.mark.one_release
@pytest.mark.thorough
class TestChoices:
    def test_it_speaks_the_labs_language_and_shows_memory(self, chinese, browse, tmp_path):
        page = browse(chinese, tmp_path, "zh-CN.png")
        assert "文件" in page and "启动页" in page, "the menu File and the Launcher"
        assert NEWS not in page and NEWS_IN_CHINESE not in page
        assert "Mem: " in page

    def test_each_setting_is_a_default_beside_the_roles_own(self, chinese):
        assert setting(chinese, THEMES, "theme") == ("JupyterLab Dark", None)
        assert setting(chinese, NOTIFICATION, "fetchNews") == ("false", None)

    @pytest.mark.usefixtures("chinese")
    def test_extensions_are_in_jupyterlabs_own_environment_and_in_its_lock(self, host, converge, make_lock, choices):
        assert host.run("/opt/miniconda3/envs/jupyter/bin/python -I -c 'import bs4, jupyter_resource_usage'").rc == 0
        locked = {item["name"] for item in json.loads(Path(choices["jupyter_lock"]).read_text())["conda"]}
        records = host.check_output("cd /opt/miniconda3/envs/jupyter/conda-meta && cat *.json | grep '^  \"name\"'")
        assert locked == {line.split('"')[3] for line in records.splitlines()} > {"jupyterlab-language-pack-zh-cn"}
        assert make_lock(**choices) == 0
        assert converge(**choices, **REQUIRE).changed == 0

    def test_an_unknown_language_stops_the_run_before_the_first_change(self, converge):
        failed = converge(jupyter_language="zh-CN")
        assert not failed.ok and failed.changed == 0 and "expected a language and a region" in failed.message
