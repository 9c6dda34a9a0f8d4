# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import fnmatch
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._ssh import server_config as config

MAIN = "/etc/ssh/sshd_config"
OURS = "/etc/ssh/sshd_config.d/00-research-server.conf"
FOLDER = "/etc/ssh/sshd_config.d"
SUPPORTED = {"kex": ["a", "b", "pq"], "cipher": ["c"], "mac": ["m"], "HostKeyAlgorithms": ["s"]}


def walk(files: dict[str, str]) -> list[config.Line]:
    return list(config.walk(MAIN, files.get, lambda pattern: sorted(fnmatch.filter(files, pattern))))


def rivals(files: dict[str, str], *managed: str) -> tuple[list[str], list[str]]:
    general, conditional = config.rivals(walk(files), OURS, managed)
    return [f"{line.path}:{line.number}" for line in general], [f"{line.path}:{line.number}" for line in conditional]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("OpenSSH_9.2, OpenSSL 3.0.22 25 Aug 2026", (9, 2)),
        ("unknown option -- V\nOpenSSH_8.9p1 Ubuntu-3ubuntu0.1, OpenSSL", (8, 9)),
        ("OpenSSH_10.0p2 Debian-7+deb13u4, OpenSSL 3.5.7", (10, 0)),
    ],
)
def test_version(text: str, version: tuple[int, int]) -> None:
    assert config.parse_version(text) == version


def test_no_version() -> None:
    with pytest.raises(config.ConfigError, match="cannot find the version"):
        config.parse_version("dropbear")


@pytest.mark.parametrize(
    ("version", "kex", "penalties"),
    [((8, 9), ["a"], None), ((9, 2), ["b", "a"], None), ((9, 10), ["pq"], "x"), ((10, 0), ["pq"], "x")],
)
def test_the_newest_entry_that_the_host_has_reached_counts(
    version: tuple[int, int], kex: list[str], penalties: str | None
) -> None:
    since = [
        {"version": "8.5", "settings": {"KexAlgorithms": ["a", "unknown"]}},
        {"version": "9.2", "settings": {"KexAlgorithms": ["b", "a"]}},
        {"version": "9.10", "settings": {"KexAlgorithms": ["pq"], "PerSourcePenalties": "x"}},
    ]
    found = config.settings_for(version, {"Port": 22}, since, SUPPORTED.__getitem__)
    assert found["KexAlgorithms"] == kex
    assert found.get("PerSourcePenalties") == penalties


def test_own_settings_win_whatever_their_case_and_null_removes() -> None:
    since = [{"version": "1.0", "settings": {"X11Forwarding": False, "Banner": "none"}}]
    found = config.settings_for((9, 2), {"x11forwarding": True, "banner": None, "AllowGroups": []}, since, SUPPORTED.__getitem__)
    assert found == {"X11Forwarding": True}


def test_no_algorithm_in_common_is_an_error() -> None:
    with pytest.raises(config.ConfigError, match=r"KexAlgorithms: found none of new-kex"):
        config.settings_for((9, 2), {"KexAlgorithms": ["new-kex"]}, [], SUPPORTED.__getitem__)


def test_lists_are_written_as_each_keyword_demands() -> None:
    text = config.render(
        "two\nlines",
        {"Port": [22, 2222], "AllowGroups": ["a", "b"], "Ciphers": ["x", "y"], "UsePAM": True, "MaxAuthTries": 4},
        [{"criteria": "Group lab", "settings": {"AllowAgentForwarding": True}}],
    )
    assert text.splitlines() == [
        "# two",
        "# lines",
        "Port 22",
        "Port 2222",
        "AllowGroups a b",
        "Ciphers x,y",
        "UsePAM yes",
        "MaxAuthTries 4",
        "",
        "Match Group lab",
        "    AllowAgentForwarding yes",
    ]


def test_a_value_cannot_smuggle_in_a_line() -> None:
    with pytest.raises(config.ConfigError, match="line break"):
        config.render("h", {"Banner": "x\nPermitRootLogin yes"})


FILES = {
    MAIN: f"# c\n\nInclude {FOLDER}/*.conf\nPort 22\nPasswordAuthentication yes\nMatch User bob\n  PasswordAuthentication yes\n",
    f"{FOLDER}/00-cloud.conf": 'passwordauthentication=yes\n HostKey "/x y"\n#Port 1\n',
    OURS: "Port 2222\nPasswordAuthentication no\n",
    f"{FOLDER}/50-late.conf": "PasswordAuthentication yes\nPort 23\n",
}


def test_files_are_read_in_sshds_order() -> None:
    lines = walk(FILES)
    assert [(line.path.rpartition("/")[2], line.number, line.keyword, line.value, line.in_match) for line in lines] == [
        ("00-cloud.conf", 1, "passwordauthentication", "yes", False),
        ("00-cloud.conf", 2, "hostkey", "/x y", False),
        ("00-research-server.conf", 1, "port", "2222", False),
        ("00-research-server.conf", 2, "passwordauthentication", "no", False),
        ("50-late.conf", 1, "passwordauthentication", "yes", False),
        ("50-late.conf", 2, "port", "23", False),
        ("sshd_config", 4, "port", "22", False),
        ("sshd_config", 5, "passwordauthentication", "yes", False),
        ("sshd_config", 7, "passwordauthentication", "yes", True),
    ]


def test_rivals_are_what_comes_first_or_adds_up() -> None:
    general, conditional = rivals(FILES, "Port", "PasswordAuthentication", "HostKey")
    assert general == [f"{FOLDER}/00-cloud.conf:1", f"{FOLDER}/00-cloud.conf:2", f"{FOLDER}/50-late.conf:2", f"{MAIN}:4"]
    assert conditional == [f"{MAIN}:7"]


def test_what_is_not_managed_is_no_rival() -> None:
    assert rivals(FILES, "Banner") == ([], [])


@pytest.mark.parametrize(
    ("text", "in_match"),
    [
        ("Match User a\nBanner x\n", True),
        ("Match User a\nMatch all\nBanner x\n", False),
        ("MATCH\tuser a\nBanner x\n", True),
    ],
)
def test_match_blocks_end_at_match_all(text: str, in_match: bool) -> None:
    assert walk({MAIN: text})[-1].in_match is in_match


def test_a_match_block_ends_with_its_included_file() -> None:
    files = {MAIN: "Include sshd_config.d/a.conf\nBanner x\n", f"{FOLDER}/a.conf": "Match User a\nBanner y\n"}
    assert [line.in_match for line in walk(files)] == [True, False]


def test_files_that_include_each_other_end() -> None:
    assert walk({MAIN: f"Include {MAIN}\nBanner x\n"})


def test_comment_out_keeps_all_else() -> None:
    assert config.comment_out("a\n  Port 22\nb", [2], "Set in X") == "a\n# Set in X: Port 22\nb"


LISTING = "port 2222\nport 22\nlistenaddress [::]:22\nallowgroups a\nallowgroups b\npermitrootlogin no\n"


def test_listing() -> None:
    assert config.effective_ports(LISTING) == [2222, 22]
    assert config.group_listing(LISTING)["allowgroups"] == ["a", "b"]


def test_differences_name_the_managed_keywords_only() -> None:
    actual = LISTING.replace("permitrootlogin no", "permitrootlogin yes").replace("allowgroups b", "allowgroups c")
    assert config.differences(LISTING, actual, ["PermitRootLogin", "Port"]) == {"permitrootlogin": (["no"], ["yes"])}
    assert config.differences(LISTING, LISTING, ["PermitRootLogin", "AllowGroups"]) == {}


def test_moduli() -> None:
    rows = "# Time Type Tests Tries Size Generator Modulus\n20200101 2 6 100 2047 5 ABC\n20200101 2 6 100 3071 5 DEF\n"
    assert config.strong_moduli(rows, 3071) == rows.replace("20200101 2 6 100 2047 5 ABC\n", "")
    assert config.strong_moduli(rows, 2047) == rows


def test_every_algorithm_can_be_asked_for() -> None:
    queries: t.Iterable[str] = config.ALGORITHMS.values()
    assert set(queries) == {"kex", "cipher", "mac", "HostKeyAlgorithms"}


@pytest.mark.parametrize(
    ("text", "otherwise"),
    [
        ("PasswordAuthentication no", False),
        ("passwordauthentication NO", False),
        ("PasswordAuthentication yes", True),
        ("Ciphers x,y", False),
        ("Ciphers y,x", True),
        ("AllowGroups a  b", False),
        ("AllowGroups a", True),
    ],
)
def test_a_line_that_says_something_else(text: str, otherwise: bool) -> None:
    settings = {"PasswordAuthentication": False, "Ciphers": ["x", "y"], "AllowGroups": ["a", "b"]}
    (line,) = walk({MAIN: text})
    assert config.says_otherwise(line, settings) is otherwise


AEAD, PLAIN = "aes256-gcm@openssh.com", "aes256-ctr"


@pytest.mark.parametrize(
    ("client", "missing"),
    [
        ({}, []),
        ({"KexAlgorithms": ["pq", "old"], "Ciphers": [AEAD], "MACs": ["weak"]}, []),
        ({"KexAlgorithms": ["old"], "Ciphers": [AEAD]}, ["KexAlgorithms"]),
        ({"KexAlgorithms": ["pq"], "Ciphers": [PLAIN], "MACs": ["weak"]}, ["MACs"]),
        ({"KexAlgorithms": ["pq"], "Ciphers": ["3des-cbc"], "MACs": ["strong"]}, ["Ciphers"]),
    ],
)
def test_what_a_client_cannot_speak_is_named(client: dict[str, list[str]], missing: list[str]) -> None:
    settings = {"KexAlgorithms": ["pq"], "Ciphers": [AEAD, PLAIN], "MACs": ["strong"], "Port": [1]}
    found = config.not_spoken(settings, client)
    assert [text.partition(":")[0] for text in found] == missing
    assert all("the server would only accept" in text for text in found)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("", []),
        ("   # PasswordAuthentication no", []),
        ("PasswordAuthentication no", ["PasswordAuthentication", "no"]),
        ("PasswordAuthentication=no", ["PasswordAuthentication", "no"]),
        ("  PasswordAuthentication = no", ["PasswordAuthentication", "no"]),
        ('"PasswordAuthentication" "no"', ["PasswordAuthentication", "no"]),
        ("PasswordAuthentication no  # keys only", ["PasswordAuthentication", "no"]),
        ("ListenAddress 192.0.2.5\t# management", ["ListenAddress", "192.0.2.5"]),
        ("Match all # end of it", ["Match", "all"]),
        ("Banner /etc/issue#1", ["Banner", "/etc/issue#1"]),
        ('Include "/etc/ssh/a.d/*.conf" /etc/ssh/b.d/*.conf', ["Include", "/etc/ssh/a.d/*.conf", "/etc/ssh/b.d/*.conf"]),
        ('AllowGroups "domain users" ssh-users', ["AllowGroups", "domain users", "ssh-users"]),
        ("AllowGroups domain\\ users", ["AllowGroups", "domain users"]),
        ("ForceCommand 'echo \"hello\"'", ["ForceCommand", "echo hello"]),
        ("UseDNS", ["UseDNS"]),
    ],
)
def test_a_line_is_read_as_sshd_reads_it(raw: str, words: list[str]) -> None:
    """The rules of argv_split() in misc.c of OpenSSH."""
    assert config.split_line(raw) == words


def test_former_names_are_those_of_today() -> None:
    files = {
        MAIN: f"ChallengeResponseAuthentication yes\nInclude {FOLDER}/*.conf\nMatch User backup\nPubkeyAcceptedKeyTypes ssh-rsa\n"
    }
    files[OURS] = "KbdInteractiveAuthentication no\n"
    managed = ("KbdInteractiveAuthentication", "PubkeyAcceptedAlgorithms")
    assert rivals(files, *managed) == ([f"{MAIN}:1"], [f"{MAIN}:4"])


@pytest.mark.parametrize(
    "line", ["AcceptEnv LANG LC_*", "Subsystem sftp /usr/lib/openssh/sftp-server", "DenyUsers games", "DenyGroups x"]
)
def test_lines_that_add_up_are_rivals_wherever_they_stand(line: str) -> None:
    files = {MAIN: f"Include {FOLDER}/*.conf\n{line}\n", OURS: f"{line.split(maxsplit=1)[0]} other\n"}
    assert rivals(files, line.split(maxsplit=1)[0]) == ([f"{MAIN}:2"], [])


def test_all_files_of_an_include_with_several_patterns_are_read() -> None:
    files = {MAIN: 'Include "/etc/ssh/a.d/*.conf" "/etc/ssh/b.d/*.conf"\n', "/etc/ssh/a.d/x.conf": "Port 1\n"}
    files["/etc/ssh/b.d/y.conf"] = "Port 2\n"
    assert [line.value for line in walk(files)] == ["1", "2"]


def test_algorithms_may_be_given_as_sshd_writes_them() -> None:
    assert config.settings_for((9, 2), {"KexAlgorithms": "pq,a"}, [], SUPPORTED.__getitem__)["KexAlgorithms"] == ["pq", "a"]
    with pytest.raises(config.ConfigError, match=r"found '\+a'; expected the whole list"):
        config.settings_for((9, 2), {"KexAlgorithms": "+a"}, [], SUPPORTED.__getitem__)
