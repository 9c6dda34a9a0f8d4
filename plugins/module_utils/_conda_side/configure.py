# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration that conda works with: the task's, and nothing that a person or a package put on the host.

Private to this collection.
"""

# ruff: noqa: PLC0415  conda exists only where this runs
from __future__ import annotations

import json
import os
import typing as t


def condarc(request: dict[str, t.Any]) -> dict[str, t.Any]:
    """The whole configuration: what the task says, and nothing that a person or a package put on the host."""
    settings = {
        "channels": request["channels"],
        "channel_priority": request["channel_priority"],
        "custom_channels": request["custom_channels"],
        "pkgs_dirs": request["pkgs_dirs"],
        "envs_dirs": [request["envs_dir"]],
        "offline": request["offline"],
        "always_yes": True,
        "quiet": True,
        "json": True,
        "show_channel_urls": True,
        "notify_outdated_conda": False,
        "auto_update_conda": False,
        "report_errors": False,
        "register_envs": False,
        "aggressive_update_packages": [],
        "pinned_packages": [],
        "create_default_packages": [],
        "track_features": [],
        # Channels may name others to look into; only those count that are declared.
        "channel_relations_max_depth": 0,
        "add_pip_as_python_dependency": True,
        "allow_softlinks": False,
        # A file that was changed in the package cache is refused instead of installed.
        "safety_checks": "enabled",
        "extra_safety_checks": True,
    }
    for key in ("channel_alias", "default_channels"):
        if request[key]:
            settings[key] = request[key]
    if not request["shards"]:
        settings |= {"repodata_use_shards": False, "plugins": {"use_sharded_repodata": False}}  # of conda, and of its solver
    return settings


def configure(request: dict[str, t.Any]) -> t.Any:
    """Point conda at our configuration file alone, and make sure that it listens."""
    from conda.base.context import context, reset_context

    path = os.path.join(request["scratch"], "condarc.yml")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        settings = {**condarc(request), **request["policy"]}
        settings["plugins"] = {**settings.get("plugins", {}), **accepted_terms(context)}
        json.dump({key: value for key, value in settings.items() if key != "plugins" or value}, file)  # JSON is YAML
    reset_context(search_path=(path,))
    # conda forgets the settings of plugins here, but not that it has read them.
    context.__dict__.pop("plugins", None)
    if tuple(context.channels) != tuple(request["channels"]):
        raise RuntimeError("conda does not take the channels from the task's configuration")
    return context


def accepted_terms(context: t.Any) -> dict[str, t.Any]:
    """What the host's owner said about terms of service in the installation's own configuration. It chooses no package."""
    from conda.base.context import reset_context

    if not terms_hooks(context):
        return {}
    try:
        reset_context()
        accepted = bool(context.plugins.auto_accept_tos)
    except Exception:
        return {}
    return {"auto_accept_tos": True} if accepted else {}


def terms_hooks(context: t.Any) -> list[t.Any]:
    """The plugin that knows terms of service, as conda-anaconda-tos calls it; nothing if the installation has none."""
    try:
        return [hook for hook in context.plugin_manager.get_hook_results("pre_commands") if hook.name == "check_tos"]
    except Exception:
        return []


def respect_terms(context: t.Any) -> None:
    """Let that plugin look at the channels: conda asks it in its commands, not in its API."""
    for hook in terms_hooks(context):
        try:
            hook.action("create")
        except Exception as error:
            if any(cls.__name__ == "CondaToSError" for cls in type(error).__mro__):
                raise
