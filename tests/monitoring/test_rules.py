"""The rules as a file: sound, explained, and with tests of their own."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from monitoring import queries

promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed; on Debian: apt-get install prometheus"
)
TESTS = sorted((queries.ROOT / "monitoring" / "tests").glob("*.yaml"))
ALERTS = {rule["alert"]: rule for rule in queries.alerts()}


def run(*command: object) -> None:
    done = subprocess.run(["promtool", *map(str, command)], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@promtool
def test_prometheus_takes_the_rules() -> None:
    run("check", "rules", "--lint-fatal", queries.RULES)


@promtool
def test_each_alert_fires_and_does_not_fire_as_its_unit_tests_say() -> None:
    run("test", "rules", *TESTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_a_severity_a_summary_the_value_and_a_runbook_section(name: str) -> None:
    rule = ALERTS[name]
    runbook = (queries.ROOT / "docs" / "runbook.md").read_text()
    file, anchor = rule["annotations"]["runbook"].split("#")

    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"]["summary"]
    assert "$value" in rule["annotations"]["description"] or "query" in rule["annotations"]["description"]
    assert (queries.ROOT / file).exists()
    assert anchor in [heading.lower() for heading in re.findall(r"^## (\w+)$", runbook, re.MULTILINE)]


@pytest.mark.parametrize("name", ALERTS)
@pytest.mark.parametrize("fires", [True, False])
def test_an_alert_has_unit_tests_for_firing_and_for_not_firing(name: str, fires: bool) -> None:
    cases = [
        case
        for path in TESTS
        for test in queries.read(path)["tests"]
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == name
    ]

    assert fires in [bool(case["exp_alerts"]) for case in cases]
