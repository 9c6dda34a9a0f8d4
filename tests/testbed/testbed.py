#!/usr/bin/env python3
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test bed: Docker Engine, images of bare servers, a mirror with a real conda, and a network that joins them.

engine: make sure that Docker Engine runs. images: build the images. mirror: build the mirror's content.
machines: build what virtual machines are made of.
up: all of it, with the network and the mirror's server running. down: remove containers and networks.
Every command can be repeated; what is up to date is left alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from channel import mirror
from hosts import engine, images, machines, network
from shell import TestbedError, fail, locked

# Callers that use the network only, such as a demo without conda, need not wait for the mirror's content.
COMMANDS: dict[str, tuple[Callable[[], None], ...]] = {
    "engine": (engine.ensure,),
    "images": (engine.ensure, images.ensure),
    "machines": (engine.ensure, machines.ensure),
    "mirror": (mirror.ensure,),
    "network": (engine.ensure, network.ensure_network),
    "up": (engine.ensure, images.ensure, network.ensure_network, mirror.ensure, network.ensure_mirror),
    "down": (network.down,),
    "status": (network.status,),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    chosen = parser.parse_args().command
    try:
        with locked("testbed"):
            for step in COMMANDS[chosen]:
                step()
    except TestbedError as error:
        return fail(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
