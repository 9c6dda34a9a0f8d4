# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of bare servers, built once and again only when something that goes into them changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from debian_packages import need
from shell import CACHE, TestbedError, docker, is_root, run, say, stage

from .pip_config import for_hosts

RECIPE = Path(__file__).resolve().parent / "image"
# Containers inherit their image's labels: everything that runs one of these images is found by this one.
OWNER_LABEL = "org.openlab.research-server=testbed"
INPUTS_LABEL = "org.openlab.research-server.inputs"
# release -> (suite of Debian's archive, image that an image registry offers)
RELEASES = {"debian12": ("bookworm", "debian:12"), "debian13": ("trixie", "debian:13")}
REGISTRY_ANSWER_SECONDS = 10


def image(release: str) -> str:
    return f"research-server/{release}:test"


def ensure() -> None:
    """Build the images that are missing or older than their inputs."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        built = list(pool.map(_ensure_one, RELEASES))
    if any(built):
        # What they replaced. Only now: it would take the layers of an image that is still being built.
        docker("image", "prune", "--force", "--filter", f"label={OWNER_LABEL}", check=False)


def _ensure_one(release: str) -> bool:
    """True if the image was built."""
    with tempfile.TemporaryDirectory(prefix="testbed-image-") as folder:
        context = Path(folder)
        _fill(context)
        digest = _digest(release, context)
        if label(image(release), INPUTS_LABEL) == digest:
            say(f"{image(release)} is up to date")
            return False
        base = _base(release)
        with stage(f"building {image(release)}"):
            labels = ("--label", OWNER_LABEL, "--label", f"{INPUTS_LABEL}={digest}")
            run(
                ["docker", "build", "--quiet", "--build-arg", f"BASE={base}", *labels, "--tag", image(release), context],
                timeout=900,
                env={**os.environ, "DOCKER_BUILDKIT": "0"},
            )
            return True


def label(name: str, key: str) -> str:
    """The value of an image's label, empty if the image or the label does not exist."""
    return docker("image", "inspect", "--format", f'{{{{index .Config.Labels "{key}"}}}}', name, check=False)


def _fill(context: Path) -> None:
    """Write everything that the image is built from into the build context."""
    shutil.copytree(RECIPE, context, dirs_exist_ok=True)
    (context / "ca-bundle.crt").write_text(_ca_bundle())
    listing = run([sys.executable, "-m", "pip", "config", "list"], timeout=30).stdout
    (context / "pip.conf").write_text(for_hosts(listing))


def _ca_bundle() -> str:
    """The certificates this machine trusts: SSL_CERT_FILE, else the file its OpenSSL reads; empty if there is none."""
    found = ssl.get_default_verify_paths().cafile
    for candidate in (found, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"):
        if candidate and Path(candidate).is_file():
            return Path(candidate).read_text(errors="replace")
    return ""


def _digest(release: str, context: Path) -> str:
    digest = hashlib.sha256(release.encode())
    for path in sorted(context.rglob("*")):
        digest.update(f"\0{path.relative_to(context)}\0{path.stat().st_mode & 0o111}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _base(release: str) -> str:
    """The name of a minimal image of the release: pulled if an image registry answers, else bootstrapped once."""
    suite, public = RELEASES[release]
    bootstrapped = f"research-server/base:{suite}"
    if run(["docker", "image", "inspect", public], timeout=30, check=False).returncode == 0:
        return public
    if run(["docker", "image", "inspect", bootstrapped], timeout=30, check=False).returncode == 0:
        return bootstrapped
    if run(["docker", "manifest", "inspect", public], timeout=REGISTRY_ANSWER_SECONDS, check=False).returncode == 0:
        with stage(f"pulling {public}"):
            docker("pull", "--quiet", public, timeout=600)
        return public
    say(f"no image registry answers: bootstrapping {suite} from Debian's package archive")
    with stage(f"bootstrapping {suite}"):
        _bootstrap(suite, bootstrapped)
    return bootstrapped


def _bootstrap(suite: str, name: str) -> None:
    need("mmdebstrap", "mmdebstrap")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="testbed-base-", dir=CACHE) as folder:
        archive = Path(folder) / f"{suite}.tar"
        if not is_root() and run(["unshare", "--user", "--map-auto", "true"], timeout=20, check=False).returncode != 0:
            raise TestbedError(
                "this user has no user namespaces to bootstrap Debian in. Run: sudo apt-get install -y uidmap && "
                'sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "$USER"',
                status=2,
            )
        run(["mmdebstrap", "--quiet", "--variant=minbase", suite, archive], timeout=900)
        docker("import", "--change", f"LABEL {OWNER_LABEL}", archive, name, timeout=300)
