# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime as d
import stat

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._notify import metrics
from ansible_collections.openlab.research_server.tests.unit.plugins.plugin_utils._drift.nights import OFF, edit, report
from prometheus_client.parser import text_string_to_metric_families

LOOK = edit("x")[0]


def read(text):
    """As Prometheus reads it."""
    families = list(text_string_to_metric_families(text))
    assert all(family.type == "gauge" and family.documentation for family in families)
    samples = [sample for family in families for sample in family.samples]
    assert all(sample.name.startswith("research_server_drift_") for sample in samples)
    return {(sample.name.removeprefix("research_server_drift_"), *sample.labels.values()): sample.value for sample in samples}


def seconds(text):
    return d.datetime.fromisoformat(text).timestamp()


def test_prometheus_reads_what_a_run_has_found():
    told = report(0, {"a": [edit("x"), edit("y")], "b": [], "c": [(LOOK, OFF)]})
    later = "2026-11-05T03:00:00+00:00"
    assert read(metrics.render(told, last_run=later, pending={"webhook": 2, "mail": 0})) == {
        ("hosts", "clean"): 1,
        ("hosts", "drift"): 1,
        ("hosts", "unreachable"): 1,
        ("hosts", "failed"): 0,
        ("findings",): 2,
        ("duration_seconds",): 600,
        ("last_good_run_timestamp_seconds",): seconds(told["finished"]),
        ("last_run_timestamp_seconds",): seconds(later),
        ("notifications_pending", "mail"): 0,
        ("notifications_pending", "webhook"): 2,
    }


def test_a_run_that_told_something_is_a_run():
    told = report(9, {"a": []})
    got = read(metrics.render(told, last_run="2026-11-05T03:00:00+00:00", pending={}))
    assert got["last_run_timestamp_seconds",] == got["last_good_run_timestamp_seconds",] == seconds(told["finished"])


def test_what_is_not_known_is_not_there():
    assert metrics.render(None, last_run="", pending={}) == ""
    assert read(metrics.render(None, last_run="2026-11-05T03:00:00+00:00", pending={"mail": 1})) == {
        ("last_run_timestamp_seconds",): seconds("2026-11-05T03:00:00+00:00"),
        ("notifications_pending", "mail"): 1,
    }


def test_the_file_is_replaced_and_everybody_can_read_it(tmp_path):
    path = tmp_path / "new" / "drift.prom"
    metrics.write(path, "a 1\n")
    before = path.stat().st_ino
    metrics.write(path, "a 2\n")
    assert path.read_text() == "a 2\n" and path.stat().st_ino != before
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [file.name for file in path.parent.iterdir()] == ["drift.prom"]


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path):
    (tmp_path / "drift.prom" / "folder").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        metrics.write(tmp_path / "drift.prom", "a 1\n")
    assert [file.name for file in tmp_path.iterdir()] == ["drift.prom"]
