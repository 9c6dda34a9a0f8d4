# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network that joins the test hosts, and the mirror that they download from."""

from __future__ import annotations

from shell import CACHE, TestbedError, docker, is_root, run, say, stage

from . import engine, images

NETWORK = "research-server"
# A unique local prefix (RFC 4193): never routed, and the same on every machine.
IPV6_SUBNET = "fd5e:a7c4:1ab0::/64"
MIRROR = "research-server-mirror"
MIRROR_URL = "http://mirror:8080"
MIRROR_ROOT = CACHE / "mirror"  # stays the same folder while its content is replaced
ANSWER_SECONDS = 20


def ensure_network() -> None:
    """Create the network, with IPv6 where the engine can. Molecule makes one without if it comes first."""
    ipv6 = run(["docker", "network", "inspect", "--format", "{{.EnableIPv6}}", NETWORK], timeout=30, check=False).stdout.strip()
    if ipv6 == "true" or (ipv6 and run(["docker", "network", "rm", NETWORK], timeout=30, check=False).returncode != 0):
        return
    create = ["network", "create", "--label", images.OWNER_LABEL]
    done = run(["docker", *create, "--ipv6", "--subnet", IPV6_SUBNET, NETWORK], timeout=60, check=False)
    if done.returncode == 0:
        say(f"created the network {NETWORK} (IPv4 and IPv6)")
        return
    docker(*create, NETWORK)
    say(f"created the network {NETWORK} (IPv4 only, the engine refused IPv6: {done.stderr.strip()})")


def ensure_mirror() -> None:
    """Serve the mirror's folder on the network. A container that serves another folder, or one that was deleted, is replaced."""
    shown = "{{.State.Running}} {{range .Mounts}}{{.Source}}{{end}}"
    there = docker("container", "inspect", "--format", shown, MIRROR, check=False) == f"true {MIRROR_ROOT}"
    content = (MIRROR_ROOT / "mirror.json").read_text(encoding="utf-8").strip()
    if there and docker("exec", MIRROR, "cat", "/srv/mirror/mirror.json", check=False).strip() == content:
        say(f"{MIRROR} is serving {MIRROR_URL}/")
        return
    with stage(f"starting {MIRROR}"):
        docker("rm", "--force", MIRROR, check=False)
        docker(
            *("run", "--detach", "--name", MIRROR, "--hostname", "mirror"),
            *("--network", NETWORK, "--network-alias", "mirror", "--stop-signal", "SIGKILL"),
            *("--volume", f"{MIRROR_ROOT}:/srv/mirror:ro", "--entrypoint", "python3", images.image("debian13")),
            *("-m", "http.server", "8080", "--bind", "::", "--protocol", "HTTP/1.1", "--directory", "/srv/mirror"),
        )
        probe = "import time, urllib.request as r\nfor _ in range({}):\n try: r.urlopen('{}/mirror.json'); break\n"
        probe += " except OSError: time.sleep(0.1)\nelse: raise SystemExit('no answer')"
        docker("exec", MIRROR, "python3", "-c", probe.format(ANSWER_SECONDS * 10, MIRROR_URL), timeout=ANSWER_SECONDS * 3)


def steady() -> list[str]:
    """What to put before a command to run it on the network as the mirror is on it.

    On this machine an interface comes and goes with each test host, and Chromium then ends what it fetches by HTTP/2
    (net::ERR_NETWORK_CHANGED).
    """
    if not is_root():
        raise TestbedError("only root enters the network of a container. Run this as root", status=2)
    return ["nsenter", f"--net=/proc/{docker('container', 'inspect', '--format', '{{.State.Pid}}', MIRROR)}/ns/net"]


def down() -> None:
    """Remove every container that runs one of our images, and the network. Images and caches stay."""
    if engine.version() is None:
        say("Docker Engine does not answer, so nothing runs")
        return
    containers = docker("ps", "--all", "--quiet", "--filter", f"label={images.OWNER_LABEL}").split()
    if containers:
        docker("rm", "--force", "--volumes", *containers, timeout=120)
    # By its name: Molecule makes the network, without our label, when a scenario is run before the test bed is up.
    networks = docker("network", "ls", "--quiet", "--filter", f"name=^{NETWORK}$").split()
    if networks:
        docker("network", "rm", *networks)
    say(f"removed {len(containers)} container(s) and {len(networks)} network(s); images and .cache/ are kept")


def status() -> None:
    """Print what is there."""
    for release in images.RELEASES:
        found = images.label(images.image(release), images.INPUTS_LABEL)
        say(f"image {images.image(release)}: {'built' if found else 'missing'}")
    say(f"network {NETWORK}: {'there' if _exists('network', NETWORK) else 'missing'}")
    say(f"mirror content: {'built' if (MIRROR_ROOT / 'mirror.json').is_file() else 'missing'}")
    shown = docker("ps", "--all", "--filter", f"label={images.OWNER_LABEL}", "--format", "{{.Names}} ({{.Status}})")
    say(f"containers: {', '.join(shown.splitlines()) or 'none'}")


def _exists(kind: str, name: str) -> bool:
    done = run(["docker", kind, "inspect", name], timeout=30, check=False)
    if done.returncode == 124:
        raise TestbedError("Docker Engine does not answer")
    return done.returncode == 0
