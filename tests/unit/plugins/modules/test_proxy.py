# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On a host, the scenario `proxy` shows it."""

from __future__ import annotations

import hashlib
import types
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host.refused import RefusedError
from ansible_collections.openlab.research_server.plugins.module_utils._proxy import nginx
from ansible_collections.openlab.research_server.plugins.module_utils._proxy.files import File, write
from ansible_collections.openlab.research_server.plugins.module_utils._proxy.sites import Site
from ansible_collections.openlab.research_server.plugins.modules import proxy

WIKI = Site("wiki", "port", "8000", "/wiki/", "basic", (), ("ada", "bob"))
ADA = Site("ada", "socket", "/run/ada.sock", "/user/ada/", "certificate", (), ("ada",))
PARAMS: dict[str, t.Any] = {
    "passwords": {"ada": "$y$a", "bob": "$y$b", "zoe": "$y$z"},
    "certificate": "",
    "certificate_key": "",
    "acme_directory": "",
    "authority": "authority",
    "jail": True,
    "port": 8443,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(nginx, "FOLDER", str(tmp_path))
    for name in ("CERTIFICATE", "KEY", "AUTHORITY"):
        monkeypatch.setattr(nginx, name, str(tmp_path / Path(getattr(nginx, name)).name))
    monkeypatch.setattr(proxy, "NEW_KEY", str(tmp_path / "server.key.new"))
    return tmp_path


@pytest.fixture
def by_acme(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, t.Any]]:
    """A run on a host with nginx, for one more name than its certificate has. The authority says no if it is told to."""
    for owner, name in ((nginx, "CONFIG"), (proxy.acme, "CERTIFICATE"), (proxy.acme, "KEY"), (proxy, "FILTER"), (proxy, "JAIL")):
        monkeypatch.setattr(owner, name, str(folder.parent / f"{folder.name}.{name}"))
    monkeypatch.setattr(proxy, "make_logs", lambda _user: None)
    monkeypatch.setattr(proxy.acme, "lacking", lambda *_arguments: "one for other names")
    monkeypatch.setattr(proxy.running, "others", lambda _port: "")
    monkeypatch.setattr(proxy.running, "read", lambda *_arguments: proxy.running.Running("", b""))
    monkeypatch.setattr(proxy.Host, "version", lambda _host: (1, 22, 1))
    monkeypatch.setattr(proxy.Host, "service", lambda _host: proxy.RUNNING)
    monkeypatch.setattr(proxy.Host, "renews", lambda _host: True)
    monkeypatch.setattr(proxy.Host, "replace", lambda _host, files, *_arguments: write(files))
    # Whose the files of a test are is nobody's business.
    monkeypatch.setattr(proxy, "faults", lambda *_arguments: [])

    def run(*, refused: bool = False, check_mode: bool = False, **params: t.Any) -> dict[str, t.Any]:
        def order(*_arguments: object) -> None:
            if refused:
                raise RefusedError("no")

        monkeypatch.setattr(proxy.acme, "order", order)
        site = {"name": "wiki", "to": "port:8000", "path": "/wiki/", "auth": "basic", "from": [], "users": []}
        named = {"names": ["lab", "more"], "sites": [site], "labs": {}, "people": ["ada"], "revoked": [], "packages": []}
        acme = {"acme_directory": "https://acme.example/", "acme_email": "", "jail": False, "user": "nobody"}
        module = types.SimpleNamespace(params={**PARAMS, **named, **acme, **params}, check_mode=check_mode)
        told: dict[str, t.Any] = proxy.run(t.cast("t.Any", module))
        return told

    return run


def test_what_a_configuration_reads_and_nothing_else(folder: Path) -> None:
    for name in ("server.key", "server.crt", "gone.htpasswd"):
        (folder / name).write_text("x")
    files = proxy.wanted(PARAMS, [WIKI, ADA], "certificate\n", 33)
    assert files == {
        str(folder / "server.crt"): File("certificate\n"),
        str(folder / "authority.crt"): File("authority\n"),
        str(folder / "wiki.htpasswd"): File("ada:$y$a\nbob:$y$b\n", 0o640, 33, secret=True),
        str(folder / "gone.htpasswd"): File(None),
    }


def test_a_new_certificate_comes_with_the_key_it_was_made_for(folder: Path) -> None:
    (folder / "server.key.new").write_text("new key\n")
    files = proxy.wanted({**PARAMS, "certificate": "new"}, [], "new\n", 33)
    assert files[str(folder / "server.key")] == File("new key\n", 0o600, secret=True)
    assert files[str(folder / "server.key.new")] == File(None)
    # What a run has left that did not come to its end is not used.
    files = proxy.wanted(PARAMS, [], "old\n", 33)
    assert str(folder / "server.key") not in files and files[str(folder / "server.key.new")] == File(None)
    own = proxy.wanted({**PARAMS, "certificate": "own", "certificate_key": "own key"}, [], "own\n", 33)
    assert own[str(folder / "server.key")].text == "own key\n"


def test_beside_a_certificate_that_certbot_renews_there_is_none_of_before(folder: Path) -> None:
    for name in ("server.key", "server.crt"):
        (folder / name).write_text("x")
    files = proxy.wanted({**PARAMS, "acme_directory": "https://acme.example/"}, [ADA], "", 33)
    assert files[str(folder / "server.key")] == files[str(folder / "server.crt")] == File(None)


def test_while_an_authority_says_no_all_is_there_that_the_configuration_reads(
    folder: Path, by_acme: Callable[..., dict[str, t.Any]]
) -> None:
    own = [folder / name for name in ("server.crt", "server.key")]
    for path in own:
        path.write_text("own")
    site = {"name": "ada", "to": "port:8001", "path": "/ada/", "auth": "certificate", "from": [], "users": []}
    with pytest.raises(RefusedError):
        by_acme(refused=True, sites=[site])
    text = Path(nginx.CONFIG).read_text()
    assert str(folder / "authority.crt") in text and (folder / "authority.crt").read_text() == "authority\n"
    assert str(own[0]) in text and [path.read_text() for path in own] == ["own", "own"], "in use until there is another"
    # The same configuration, and somebody less who may come in.
    for passwords in ({"ada": "$y$a", "grace": "$y$g"}, {"ada": "$y$a"}):
        with pytest.raises(RefusedError):
            by_acme(refused=True, passwords=passwords)
        assert (folder / "wiki.htpasswd").read_text() == "".join(f"{name}:{word}\n" for name, word in passwords.items())
    # With one of an authority's, that of before goes at once.
    for name in (proxy.acme.CERTIFICATE, proxy.acme.KEY):
        Path(name).write_text("of an authority")
    with pytest.raises(RefusedError):
        by_acme(refused=True)
    assert not any(path.exists() for path in own) and proxy.acme.CERTIFICATE in Path(nginx.CONFIG).read_text()


def test_before_there_is_a_certificate_nothing_is_there_but_what_an_authority_asks_for(
    folder: Path, by_acme: Callable[..., dict[str, t.Any]]
) -> None:
    with pytest.raises(RefusedError):
        by_acme(refused=True)
    assert "ssl" not in Path(nginx.CONFIG).read_text() and list(folder.iterdir()) == []


def test_a_run_that_asks_an_authority_tells_what_check_mode_tells(folder: Path, by_acme: Callable[..., dict[str, t.Any]]) -> None:
    for name in ("server.crt", "server.key"):
        (folder / name).write_text("own")
    told = by_acme(check_mode=True)
    assert str(folder / "wiki.htpasswd") in str(told) and not Path(nginx.CONFIG).exists()
    done = by_acme()
    assert told["diff"] == done["diff"]
    assert not (folder / "server.key").exists() and proxy.acme.CERTIFICATE in Path(nginx.CONFIG).read_text()


@pytest.mark.parametrize(
    ("webroot", "digest", "certificate", "stale"),
    [
        ("", "d", b"any", False),
        ("", "e", b"any", True),
        ("/srv", "d", b"\x00\x10", False),
        ("/srv", "d", b"before", True),
        ("/srv", "e", b"\x00\x10", True),
    ],
)
def test_what_runs_has_read_the_files(tmp_path: Path, webroot: str, digest: str, certificate: bytes, stale: bool) -> None:
    chain = tmp_path / "fullchain.pem"
    chain.write_text("-----BEGIN CERTIFICATE-----\nABA=\n-----END CERTIFICATE-----\n" * 2)
    server = nginx.Server(["lab"], 443, (1, 22, 1), True, "", (str(chain), ""), webroot)
    text = f"return 200 {'d' * 64};"
    found = proxy.running.Running(digest * 64, certificate)
    assert proxy.is_stale(found, text, server) == stale


def test_the_packages_page_is_the_packages_while_nobody_has_changed_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, link, status = (tmp_path / name for name in ("site", "link", "status"))
    for name, path in (("DEFAULT_SITE", site), ("DEFAULT_LINK", link)):
        monkeypatch.setattr(proxy, name, str(path))
    monkeypatch.setattr(proxy.dpkg, "STATUS", str(status))
    assert proxy.packaged_page() == ""
    site.write_text("welcome")
    status.write_text(f"Package: nginx-common\nConffiles:\n {site} {hashlib.md5(b'welcome').hexdigest()}\n")
    assert proxy.packaged_page() == "", "nobody has switched it on"
    link.symlink_to(site)
    assert proxy.packaged_page() == str(link)
    link.unlink()
    link.symlink_to(tmp_path / "another")
    assert proxy.packaged_page() == "", "it switches something else on"
    link.unlink()
    link.symlink_to(site)
    site.write_text("ours")
    assert proxy.packaged_page() == ""
    link.unlink()
    link.write_text("welcome")
    assert proxy.packaged_page() == ""


def test_a_jail_without_fail2ban_is_told() -> None:
    module = t.cast("t.Any", types.SimpleNamespace(get_bin_path=lambda *_arguments: None))
    with pytest.raises(RefusedError, match="found no fail2ban"):
        proxy.Host(module).replace_jail(proxy.jail(PARAMS))


@pytest.mark.parametrize("client", [None, "/usr/bin/fail2ban-client"])
def test_a_jail_of_before_goes_with_fail2ban_and_without(tmp_path: Path, client: str | None) -> None:
    path, ran = tmp_path / "jail.local", []
    path.write_text("jail")

    def run_command(argv: list[str], **_options: object) -> tuple[int, str, str]:
        ran.append(argv[1])
        return 0, "", ""

    module = types.SimpleNamespace(get_bin_path=lambda *_arguments: client, run_command=run_command)
    proxy.Host(t.cast("t.Any", module)).replace_jail({str(path): File(None)})
    assert not path.exists() and ran == (["--test", "reload"] if client else [])


def test_without_fail2ban_there_is_no_jail() -> None:
    assert "port = 8443" in (proxy.jail(PARAMS)[proxy.JAIL].text or "")
    assert set(proxy.jail({**PARAMS, "jail": False}).values()) == {File(None)}
