# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import datetime
import hashlib
import re
import typing as t
from collections.abc import Callable, Iterable
from html.parser import HTMLParser

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift import page
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._page import finding, host, render
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._page.words import LANGUAGES, Words
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.report import DriftReport, Outcome, TaskRef
from markdown_it import MarkdownIt

START = datetime.datetime(2026, 11, 20, 2, 30, tzinfo=datetime.timezone.utc)
JAILS = TaskRef("Run these jails", "fail2ban", "/somewhere/roles/fail2ban/tasks/jails.yml", 2)
NOTHING: Callable[[str], str] = str
# No verdict, and no element: these have no end tag, or are no part of the page's own grammar.
VOID = {"meta", "path"}

Result = tuple[TaskRef, Outcome]


def edit(text: str = "maxretry = 500\n", task: TaskRef = JAILS, path: str = "/etc/jails") -> Result:
    return task, Outcome("changed", diffs=[{"before": text, "after": "maxretry = 5\n", "before_header": path}])


def found(topic: str = "listeners", name: str = "tcp *:80", way_out: str = "firewall_allow: [{port: 80}]") -> Result:
    difference = {"before_header": f"{topic}: {name}", "before": "it is there\n", "after": f"nothing is there\n{way_out}\n"}
    return TaskRef(topic, "audit", "/roles/audit/tasks/apply.yml", 2), Outcome("changed", items=(name,), diffs=[difference])


def failed(message: str = "broken\nmore", role: str = "nvidia") -> Result:
    return TaskRef("Install", role, "/roles/nvidia/tasks/apply.yml", 9), Outcome("failed", message=message)


def lost(message: str = "No route to host") -> Result:
    return TaskRef("Gather", "accounts"), Outcome("unreachable", message=message)


def fine(*notices: str) -> Result:
    return TaskRef("x"), Outcome("ok", notices=notices)


def report(hosts: dict[str, list[Result]], previous: dict[str, t.Any] | None = None, day: int = 0) -> dict[str, t.Any]:
    started = START + datetime.timedelta(days=day)
    made = DriftReport(version="1.2.3", started=started)
    for name, results in hosts.items():
        for task, outcome in results:
            made.record(name, task, outcome)
    gone = [name for name, results in hosts.items() if any(outcome.kind == "unreachable" for _task, outcome in results)]
    failures = {name: sum(outcome.kind == "failed" for _task, outcome in results) for name, results in hosts.items()}
    return made.to_dict(finished=started, failures=failures, unreachable=gone, previous=previous)


def view(hosts: dict[str, list[Result]] | dict[str, t.Any], **arguments: t.Any) -> dict[str, t.Any]:
    told = hosts if "schema" in hosts else report(hosts)
    return page.view(told, **{"nights": {}, "since": {}, **arguments})


class Read(HTMLParser):
    """What a browser would make of it: elements with their attributes, and texts by the elements they stand in."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def told(self, *tags: str) -> list[str]:
        return [text for tag, text in self.texts if tag in tags]

    @property
    def text(self) -> str:
        return "".join(text for tag, text in self.texts if tag not in ("style", "title"))


def shown(hosts: dict[str, list[Result]] | dict[str, t.Any], language: str = "en", **arguments: t.Any) -> Read:
    return Read(render.html(view(hosts, **arguments), language))


def mixed(make: Callable[[str], str] = NOTHING) -> dict[str, t.Any]:
    """A report with something of every kind; `make` turns each text that is not the collection's own into another one."""
    where = f"/roles/{make('r')}/tasks/x.yml"
    task = TaskRef(make("task"), make("role"), where, 2)
    previous = report({make("b"): [found(make("topic"), make("name"))]})
    told = report(
        {
            make("a"): [
                edit(make("line") + "\n" + make("other") + "\n", task, make("/path")),
                (task, Outcome("changed", items=(make("item"), make("second")), hidden=False, diffs=[make("prepared") + "\n"])),
                (TaskRef(make("handler"), handler=True), Outcome("changed")),
                (TaskRef(make("secret"), make("role")), Outcome("changed", hidden=True)),
                fine(make("notice"), f"account '{make('ada')}': a key expires on 2026-12-01"),
            ],
            make("b"): [found(make("topic"), make("name"), make("way out")), found(make("second"), make("name"), make("out"))],
            make("c"): [(task, Outcome("failed", message=make("broken")))],
            make("d"): [lost(make("away"))],
            make("e"): [fine(f"{make('topic')}: the waiver '{make('x')}' of ada matches nothing; remove it")],
        },
        previous,
        day=2,
    )
    return {**told, "problems": [make("problem")]}


EVIL = [
    "<script>alert(1)</script>",
    "</style></pre></code></details><img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}{# x #}",
    "-->]]><!--",
    "&lt;b&gt;&#60;i&#62;",
    "`` ` ``` <b>x</b> ` [a](javascript:alert(1)) ![i](http://x/y) <http://x> | **b** | ~~~",
    "# heading",
    "- - - 1. > quote",
    " `",
    "$x$ @all #1 :smile: \\",
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("evil", EVIL)
def test_markup_of_a_host_is_text_on_the_page(evil: str, language: str) -> None:
    benign, hostile = (
        shown(mixed(make), language, nights={make("a"): [("2026-11-19T02:30:00+00:00", "drift")]})
        for make in (NOTHING, lambda text: f"{text}{evil}")
    )
    # Not one element or attribute more or other than without it.
    assert hostile.elements == benign.elements
    for text in ("task", "role", "line", "/path", "item", "prepared", "handler", "secret", "notice", "name", "way out", "broken"):
        assert f"{text}{evil}" in hostile.text, text
    for text in ("topic", "away", "problem", "a", "b", "c", "d", "e"):
        assert f"{text}{evil}" in hostile.text, text


def tokens(text: str) -> list[tuple[str, str, dict[str, t.Any]]]:
    made = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [
        (one.type, one.tag, dict(one.attrs))
        for block in made
        for one in [block, *(block.children or [])]
        if one.content or one.tag
    ]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("evil", EVIL)
def test_markup_of_a_host_is_text_in_markdown(evil: str, language: str) -> None:
    benign, hostile = (render.markdown(view(mixed(make)), language) for make in (NOTHING, lambda text: f"{evil}{text}{evil}"))
    assert tokens(hostile) == tokens(benign)
    spans = [
        one.content
        for block in MarkdownIt("commonmark").parse(hostile)
        for one in block.children or []
        if one.type == "code_inline"
    ]
    for text in ("task", "way out", "away", "problem", "a", "b"):
        # What a message begins with is its first line, without the space around it.
        assert any(f"{evil}{text}".lstrip() in span for span in spans), text


@pytest.mark.parametrize("made", [render.html, render.markdown])
def test_signs_that_nobody_sees_are_written_out_even_if_the_report_has_them(made: Callable[[t.Any, str], str]) -> None:
    told = report({"a": [found(way_out="way")]})
    told["hosts"]["\u202egpu\u2066"] = told["hosts"].pop("a")
    told["hosts"]["\u202egpu\u2066"]["drift"][0]["items"] = ["\u200bname\x1b[2J"]
    text = made(view(told), "en")
    assert all(sign in "\n\t" or sign.isprintable() for sign in text)
    assert "\\u202egpu\\u2066" in text and "\\u200bname\\x1b[2J" in text


def test_a_code_span_holds_any_text() -> None:
    for text in ("", " ", "`", "a`b``c", "``x", " x ", "\n- x", "x`"):
        (block,) = [one for one in MarkdownIt("commonmark").parse(str(render.code(text))) if one.children]
        assert [one.type for one in block.children or []] == ["code_inline"]
        assert (block.children or [])[0].content.strip() == text.replace("\n", "\\n").strip()


def test_the_policy_lets_in_the_one_style_and_nothing_else() -> None:
    read = shown(mixed())
    (style,) = read.told("style")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [one["content"] or "" for one in read.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    # It stands before what it is about.
    names = [tag for tag, _attributes in read.elements]
    assert names.index("meta") < names.index("style")
    assert names.count("style") == 1 and not {"script", "link", "img", "iframe", "object"} & set(names)
    assert not {"style", "src", "srcset"} & {name for _tag, attributes in read.elements for name in attributes}
    assert not any(name.startswith("on") for _tag, attributes in read.elements for name in attributes)
    assert not re.search(r"url\(|@import|@font-face|https?:(?!//www\.gnu\.org)", style)


def test_every_link_leads_to_a_place_on_the_page() -> None:
    read = shown(mixed())
    places = [attributes["id"] for _tag, attributes in read.elements if "id" in attributes]
    assert len(places) == len(set(places))
    links = [str(one["href"]) for one in read.all("a")]
    assert len(links) >= 5 and all(link[1:] in places and link[:1] == "#" for link in links)
    named = [
        str(attributes[name])
        for _tag, attributes in read.elements
        for name in attributes
        if name in ("aria-labelledby", "aria-describedby")
    ]
    assert named and set(named) <= set(places)


def test_the_page_is_fit_for_a_screen_reader_and_a_phone() -> None:
    read = shown(mixed(), "zh")
    assert read.all("html") == [{"lang": "zh-Hans"}]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in read.all("meta")
    assert {"name": "color-scheme", "content": "light dark"} in read.all("meta")
    assert all(one.get("scope") in ("col", "row") for one in read.all("th"))
    assert [len(read.all(tag)) for tag in ("header", "main", "h1")] == [1, 1, 1]
    levels = [int(tag[1]) for tag, _attributes in read.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:]))
    # A box that scrolls can be reached and scrolled with the keyboard.
    assert {one.get("tabindex") for one in read.all("div") if one.get("class") == "scroll"} == {"0"}


def test_a_verdict_is_a_word_and_a_sign_besides_its_colour() -> None:
    read = shown({"a": [edit()], "b": [failed()], "c": [lost()], "d": [fine()]})
    for verdict, sign in render.SIGNS.items():
        assert sign in read.text and Words("en").text(verdict) in read.text
    assert len(set(render.SIGNS.values())) == 4
    assert [text for text in read.told("td") if text.strip()] == ["✕1", "≠1"]


def _schemes() -> list[dict[str, str]]:
    css = (render.FOLDER / "page.css").read_text(encoding="utf-8")
    blocks = [dict(re.findall(r"--([\w-]+): (#\w{6})", block)) for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL)]
    assert len(blocks) == 3
    return blocks


def _luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", _schemes(), ids=("light", "dark", "print"))
def test_every_text_has_the_contrast_of_wcag_aa(scheme: dict[str, str]) -> None:
    pairs = [(verdict, f"{verdict}-ground") for verdict in render.SIGNS]
    pairs += [(ink, ground) for ink in ("ink", "dim", "link", *render.SIGNS) for ground in ("ground", "card", "code")]
    for ink, ground in pairs:
        light, dark = sorted((_luminance(scheme[ink]), _luminance(scheme[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


def names(read: Read) -> list[str]:
    return [text for tag, text in read.texts if tag == "bdi"]


def test_the_worst_host_comes_first() -> None:
    hosts = {
        "a-clean": [fine()],
        "b-told": [fine("note this")],
        "c-little": [edit()],
        "d-much": [edit(), found()],
        "e-away": [lost()],
        "f-broken": [failed()],
        "g-broken": [failed(), failed("another")],
    }
    shows = view(hosts)
    order = [row["name"] for row in [*shows["bad"], *shows["clean"]]]
    assert order == ["g-broken", "f-broken", "e-away", "d-much", "c-little", "b-told", "a-clean"]
    assert shows["counts"] == [("failed", 2), ("unreachable", 1), ("drift", 2), ("clean", 2)]
    told = names(Read(render.html(shows, "en")))
    assert [name for name in dict.fromkeys(told) if name in hosts] == order
    text = render.markdown(shows, "en")
    assert re.findall(r"^## `(.*?)`", text, re.MULTILINE) == order[:5]
    assert "2 failed, 1 unreachable, 2 drift, 2 clean" in text


def test_a_cell_counts_what_a_host_has_of_a_role_or_a_topic() -> None:
    shows = view({"a": [edit(), edit("x\n"), found(), failed(role="sshd")], "b": [found(), lost()]})
    assert shows["columns"] == [("audit", "listeners"), ("fail2ban", ""), ("sshd", "")]
    cells = {row["name"]: row["cells"] for row in shows["bad"]}
    assert cells == {"a": [("drift", 1), ("drift", 2), ("failed", 1)], "b": [("drift", 1), ("", 0), ("", 0)]}
    assert "audit: listeners" in Read(render.html(shows, "en")).text


def test_a_cell_with_both_is_failed_and_counts_both() -> None:
    (row,) = view({"a": [edit(), edit("x\n"), failed(role="fail2ban")]})["bad"]
    assert row["cells"] == [("failed", 3)]


def test_a_summary_is_short_and_says_what_it_leaves_out() -> None:
    many = [found(name=f"tcp *:{number}") for number in range(render.FINDINGS + 2)]
    text = render.markdown(view({f"gpu-{number:02}": many for number in range(render.HOSTS + 3)}), "en")
    assert text.count("\n## ") == render.HOSTS and text.count("- `audit: listeners`: `tcp ") == render.HOSTS * render.FINDINGS
    assert "3 more hosts in `drift.json`" in text and text.count("- 2 more differences in `drift.json`") == render.HOSTS
    assert "(since `2026-11-20`)" in text


def test_roles_without_a_column_share_the_last_one() -> None:
    many = [edit(task=TaskRef("x", f"role{number:02}")) for number in range(page.COLUMNS + 3)]
    shows = view({"a": many, "b": [edit(task=TaskRef("x", "role26"))]})
    assert len(shows["columns"]) == page.COLUMNS and shows["columns"][-1] == page.OTHERS
    assert shows["columns"][0] == ("role26", "")
    assert shows["bad"][0]["cells"][-1] == ("drift", 4)
    assert "others" in Read(render.html(shows, "en")).told("span")


def test_a_difference_says_where_it_comes_from_and_what_it_is() -> None:
    read = shown({"a": [edit()]})
    assert "roles/fail2ban/tasks/jails.yml:2" in read.told("code")
    assert read.told("del") == ["-maxretry = 500"] and read.told("ins") == ["+maxretry = 5"]
    assert "/etc/jails" in read.told("span") and "/etc/jails (is)" not in read.text


def test_lines_that_look_like_a_header_are_told_all_the_same() -> None:
    (row,) = view({"a": [edit("-- old\n")]})["bad"]
    lines = row["details"]["groups"][0]["findings"][0]["text"].lines
    assert ("del", "--- old") in lines and ("add", "+maxretry = 5") in lines


def test_a_finding_of_the_audit_has_its_way_out_apart() -> None:
    read = shown({"a": [found(), edit()]}, inventories=["lab"])
    assert (read.told("del"), read.told("ins")) == (["-it is there", "-maxretry = 500"], ["+nothing is there", "+maxretry = 5"])
    assert "firewall_allow: [{port: 80}]" in read.told("code")
    assert "research-server-drift accept -i lab -l a --topic listeners" in read.told("code")
    assert [name for name in names(read) if name == "tcp *:80"]
    assert "firewall_allow: [{port: 80}]" in render.markdown(view({"a": [found()]}), "en")


def commands(hosts: dict[str, list[Result]], **arguments: t.Any) -> list[str]:
    return [
        text for text in shown(hosts, **arguments).told("code") if text.startswith(("ansible-playbook", "research-server-drift"))
    ]


def test_how_to_repair_is_a_command_for_this_host_and_inventory() -> None:
    assert commands({"a": [edit()]}) == ["ansible-playbook site.yml -l a"]
    assert commands({"a": [edit()]}, inventories=["lab", "my lab"]) == ["ansible-playbook site.yml -i lab -i 'my lab' -l a"]
    assert commands({"a b;c": [edit()]}, inventories=["lab"]) == ["ansible-playbook site.yml -i lab -l 'a b;c'"]
    # What nobody declared is not repaired by the site.
    assert commands({"a": [found()]}) == ["research-server-drift accept -l a --topic listeners"]
    assert commands({"a": [lost()]}) == ["research-server-drift -l a"]
    assert commands({"a": [fine("x")]}) == []


def test_handlers_and_hidden_tasks_are_told() -> None:
    handler = (TaskRef("Restart fail2ban", handler=True), Outcome("changed"))
    read = shown({"a": [edit(), handler, (TaskRef("Set passwords", "accounts"), Outcome("changed", hidden=True))]})
    assert "Restart fail2ban" in read.told("dd")
    assert "Set passwords" in names(read) and "Hidden: the task says no_log." in read.told("p")


def test_since_when_is_told_by_the_report_or_by_the_history() -> None:
    first = report({"a": [edit()]})
    second = report({"a": [edit(), found()]}, first, day=7)
    read = shown(second)
    assert "since 2026-11-20 · 7 days" in read.text
    assert read.told("strong").count("new") == 1
    assert view(second)["new"] == 1 and view(second)["bad"][0]["oldest"] == "2026-11-20"
    fingerprint = next(one["fingerprint"] for one in second["hosts"]["a"]["drift"] if one["role"] == "audit")
    older = shown(second, since={("a", fingerprint): "2026-11-01T02:30:00+00:00"})
    assert "since 2026-11-01 · 26 days" in older.text and "new" not in older.told("strong")
    # The first report has nothing to be new against.
    assert "new" not in shown(first).told("strong") and view(first)["new"] == 0


def test_each_difference_has_its_own_age_in_whatever_order_they_stand() -> None:
    told = report({"a": [edit(task=TaskRef("Late", "sshd")), edit(task=TaskRef("Early", "accounts"))]})
    fingerprint = next(one["fingerprint"] for one in told["hosts"]["a"]["drift"] if one["task"] == "Late")
    shown_groups = view(told, since={("a", fingerprint): "2026-11-01T02:30:00+00:00"})["bad"][0]["details"]["groups"]
    ages = [(one["task"], one["since"]) for group in shown_groups for one in group["findings"]]
    assert ages == [("Early", "2026-11-20"), ("Late", "2026-11-01")]


def test_the_last_nights_stand_beside_each_host() -> None:
    nights = {"a": [("2026-11-18T02:30:00+00:00", "clean"), ("2026-11-19T02:30:00+00:00", "failed")], "b": []}
    read = shown({"a": [edit()], "b": [fine()], "c": [edit()]}, nights=nights)
    # Tonight counts, and a host that is new to the history has none.
    assert [one["aria-label"] for one in read.all("svg")] == [
        "failed 1, drift 1, clean 1, no run 27",
        "clean 1, no run 29",
    ]
    assert "Last 30 nights" in read.told("th")
    assert not shown({"a": [edit()]}).all("svg") and "Last 30 nights" not in shown({"a": [edit()]}).text


def test_what_expires_is_told_once_for_all_hosts() -> None:
    key = "account 'ada': a key expires on 2026-11-25"
    read = shown({"gpu-01": [fine(key, "something else")], "gpu-02": [edit(), fine(key)]})
    assert "in 5 days" in read.told("span") and "gpu-02, gpu-01" in " ".join(read.text.split())
    assert f"- `{key}` (`gpu-02, gpu-01`)" in render.markdown(view({"gpu-01": [fine(key)], "gpu-02": [edit(), fine(key)]}), "en")
    assert "Expires soon" not in shown({"a": [fine("something else")]}).text


def test_details_are_open_where_there_are_few() -> None:
    def opened(bad: int) -> list[bool]:
        read = shown({f"a{number}": [edit()] for number in range(bad)})
        return ["open" in one for one in read.all("details") if "host" in str(one.get("class"))]

    assert opened(page.OPEN) == [True] * page.OPEN
    assert opened(page.OPEN + 1) == [False] * (page.OPEN + 1)


def test_a_difference_that_several_hosts_have_is_shown_once() -> None:
    read = shown({"a": [edit()], "b": [edit()], "c": [edit("other\n")]})
    assert read.told("del") == ["-maxretry = 500", "-other"]
    # A link opens the details that its target stands in, but not those that it is.
    assert not [one for one in read.all("details") if "id" in one]
    ids = [str(one["id"]) for one in read.all("div") if one.get("class") == "inside"]
    assert [one["href"] for one in read.all("a")] == [f"#{anchor}" for anchor in (*ids, ids[0])]
    assert "The same as on a" in read.text


def test_long_texts_are_cut_and_the_report_is_named() -> None:
    lines = "".join(f"line {number}\n" for number in range(100))
    read = shown({"a": [edit(lines)], "b": [failed("x" * 1000)]}, source="last.json")
    assert f"-line {finding.LINES - 3}" in read.told("del") and "-line 99" not in read.told("del")
    # A header, a place, a hundred lines and one.
    assert f"{103 - finding.LINES} more lines in " in read.told("p") and "last.json" in read.told("code")
    assert "x" * (finding.LENGTH - 1) + "…" in read.text and "x" * finding.LENGTH not in read.text


def test_a_host_cannot_fill_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.Budget, "__init__", _small)
    many = [edit(f"{number}\n") for number in range(50)]
    shows = view({"a": [*many, fine(*(f"notice {number}" for number in range(90)))], "b": [edit("x\n")]})
    details = [row["details"] for row in shows["bad"]]
    told = sum(len(group["findings"]) for group in details[0]["groups"])
    assert 0 < told < 20 and details[0]["left_out"] == 50 - told
    assert details[0]["notices"] == [] and details[0]["notices_left_out"] == 90
    # Later hosts are on the page, without details.
    assert details[1]["left_out"] == 1
    text = Read(render.html(shows, "en")).text
    assert f"{50 - told} more differences in " in text and "90 more notices in " in text
    assert f"{50 - told} more differences in `drift.json`" in render.markdown(shows, "en")


def _small(self: host.Budget, size: int = 20_000) -> None:
    self.left = size
    self.shown = {}


def test_three_hundred_hosts_stay_under_two_megabytes() -> None:
    text = "".join(f"<a> & a long line of a file, in its place {number} {'x' * 250}\n" for number in range(60))
    told = report({"a": [edit(text, TaskRef("Write it", f"role{role}", "/roles/x/tasks/apply.yml", 2)) for role in range(30)]})
    one = told["hosts"].pop("a")
    for number in range(300):
        # Different on each host: what is the same is told once.
        drift = [{**found, "fingerprint": f"{number} {found['fingerprint']}"} for found in one["drift"]]
        told["hosts"][f"gpu-{number:03}.cluster.lab.example"] = {**one, "drift": drift}
    nights = [((START - datetime.timedelta(days=day)).isoformat(), "drift" if day % 2 else "clean") for day in range(30)]
    made = render.html(view(told, nights=dict.fromkeys(told["hosts"], nights)), "zh")
    assert len(made.encode()) < 2_000_000
    # Not for want of trying.
    assert len(made.encode()) > 1_000_000
    assert all(f"<bdi>{name}</bdi>" in made for name in told["hosts"])
    assert len(render.markdown(view(told), "zh").encode()) < 100_000


def test_a_run_that_met_no_host_has_a_page() -> None:
    read = shown({})
    assert "No host was compared" in read.text and "no host was compared: none is in the groups" in read.text
    assert "No host was compared" in render.markdown(view({}), "en")


def test_a_clean_fleet_says_so() -> None:
    read = shown({"a": [fine()], "b": [fine()]})
    assert "Every host is as the inventory says" in read.told("h1") and not read.all("table")
    assert "As the inventory says" in read.text
    assert "1 host needs a look" in shown({"a": [edit()], "b": [fine()]}).text


def test_facts_of_a_host_are_told_if_the_report_has_them() -> None:
    told = report({"a": [edit()]})
    assert not {"GPUs", "Environments", "People"} & set(shown(told).told("b"))
    told["hosts"]["a"]["gpus"] = ["NVIDIA L40S, driver 580.82.07", "NVIDIA L40S"]
    read = shown(told)
    assert "GPUs" in read.told("b") and "NVIDIA L40S, driver 580.82.07, NVIDIA L40S" in read.text
    assert "People" not in read.told("b")


def _keys(templates: Iterable[str]) -> set[str]:
    used = {"language", *host.FACTS, *render.SIGNS}
    for name in templates:
        used |= set(re.findall(r'\b(?:text|count)\("(\w+)"', (render.FOLDER / name).read_text(encoding="utf-8")))
    return used


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_every_word_and_no_other(language: str) -> None:
    words, english = (Words(name)._words for name in (language, "en"))
    assert set(words) == _keys(["page.html.j2", "page.md.j2"])
    for key, told in words.items():
        assert isinstance(told, list) is isinstance(english[key], list), key
        for form in told if isinstance(told, list) else [told]:
            first = english[key][0] if isinstance(told, list) else english[key]
            assert set(re.findall(r"\{\w*\}", form)) == set(re.findall(r"\{\w*\}", first)), key


def test_chinese_is_chinese() -> None:
    told = Read(render.html(view(mixed()), "zh")).text
    assert not re.search(r"needs? a look|differences?\b|since|Expires|Repair", told)
    assert "主机需要查看" in told and "Run these jails" in shown({"a": [edit()]}, "zh").text


def test_one_of_a_thing_has_its_own_form() -> None:
    assert [Words("en").count("differences", number) for number in (0, 1, 2)] == [
        "0 differences",
        "1 difference",
        "2 differences",
    ]
    assert Words("zh").count("differences", 2) == "2 处差异"
