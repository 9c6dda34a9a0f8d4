# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
from unittest import mock

import pytest
from ansible.errors import AnsiblePromptNoninteractive
from ansible_collections.openlab.research_server.plugins.action.first_contact import ActionModule
from ansible_collections.openlab.research_server.plugins.module_utils._host.refused import RefusedError
from ansible_collections.openlab.research_server.plugins.plugin_utils._login.first_contact import HostKey


@pytest.mark.parametrize("nobody", [AnsiblePromptNoninteractive(), OSError(errno.ENOTTY, "a terminal of another session")])
def test_where_nobody_can_be_asked_it_says_what_to_do(nobody: Exception) -> None:
    action = ActionModule.__new__(ActionModule)
    action._display = mock.Mock(**{"prompt_until.side_effect": nobody})
    with pytest.raises(RefusedError, match="bootstrap_host_key_fingerprint"):
        action._agree("gpu-01", HostKey("ssh-ed25519", "AAAA"), accepted=False)
