# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_values
short_description: Write values for Zero to JupyterHub, and its image, from the variables of a server
version_added: 0.2.0
description:
  - Runs on the controller and reaches no host. Reads the variables of the roles C(accounts), C(miniconda), C(conda_envs),
    C(jupyter) and C(jupyterhub) of one server.
  - Writes C(values.yml) for the chart C(jupyterhub) of Zero to JupyterHub - image, login, people, limits, storage, network, when
    pods end. No secret is in it, nor are the variables opened that hold one.
  - Writes the folder C(image), the build context of the image that people's pods run. It installs what the locks of JupyterLab's
    own environment and of one environment of the lab name, with conda, and checks the SHA-256 of every package. Its tag changes
    with its content, its labels name the locks.
  - The folder C(image) is this action's; what else is there is removed.
author:
  - openlab.research_server maintainers (@openlab)
options:
  directory:
    description: Folder for the files, on the controller.
    type: path
    required: true
  server:
    description: Host of the inventory whose variables are read.
    type: str
    required: true
  environment:
    description: Name of the environment in C(conda_envs_environments). Needed if there is more than one.
    type: str
  architecture:
    description: C(ansible_facts['architecture']) of the nodes. The locks for it must be there.
    type: str
    default: x86_64
  host:
    description: Name that people open in the browser. The provider's redirect URI is C(https://HOST/hub/oauth_callback).
    type: str
    required: true
  image:
    description: Name of the image with its registry, without a tag.
    type: str
    required: true
  base_image:
    description: Debian or Ubuntu that the image starts from. With a digest (C(@sha256:)) it is the same for ever.
    type: str
    default: debian:13-slim
  base_packages:
    description: Packages of the system in the image. C(curl) and C(tini) are needed.
    type: list
    elements: str
    default: [ca-certificates, curl, git, tini]
  https:
    description:
      - Where the certificate comes from. V(letsencrypt) needs O(contact_email), V(secret) needs O(tls_secret), and with
        V(offload) something in front of the cluster has it.
    type: str
    choices: [letsencrypt, secret, offload]
    default: letsencrypt
  contact_email:
    description: Address that Let's Encrypt writes to.
    type: str
    default: ''
  tls_secret:
    description: Name of the Secret that holds the certificate and its key.
    type: str
    default: ''
  client_secret_name:
    description: Name of the Secret that holds the provider's client secret.
    type: str
    default: oauth
  client_secret_key:
    description: Key in that Secret.
    type: str
    default: client-secret
  storage_class:
    description: StorageClass of homes; that of the cluster by default.
    type: str
    default: ''
  storage_capacity:
    description: Size of a home.
    type: str
    default: 10Gi
  memory_guarantee:
    description: Memory that is kept free for each pod, at most its limit.
    type: str
    default: 1G
  cpu_guarantee:
    description: Cores that are kept free for each pod, at most its limit.
    type: float
    default: 0.5
  gpu_resource:
    description: What the cluster calls its GPUs.
    type: str
    default: nvidia.com/gpu
attributes:
  check_mode:
    description: Tells what would change.
    support: full
  diff_mode:
    description: Shows the files.
    support: full
  action:
    description: Runs on the controller.
    support: full
"""

EXAMPLES = r"""
- name: Write values and the image's build context
  openlab.research_server.kubernetes_values:
    directory: kubernetes
    server: gpu-01
    environment: nlp
    host: hub.lab.example
    image: registry.lab.example/nlp
    contact_email: ops@lab.example
"""

RETURN = r"""
image:
  description: Name and tag of the image.
  returned: success
  type: str
  sample: registry.lab.example/nlp:0123456789ab
files:
  description: Files that were written or removed or, in check mode, would be.
  returned: success
  type: list
  elements: str
notices:
  description: What the server's variables say and a cluster has no counterpart for.
  returned: success
  type: list
  elements: str
"""
