"""The alerts that Grafana evaluates are Prometheus' own, and the file is one that Grafana understands."""

from __future__ import annotations

import re
from typing import Any

import pytest
from grafana_foundation_sdk.models.alerting import Query, Rule

from monitoring import queries

FILE = queries.ROOT / "monitoring" / "rules-grafana.yaml"
GROUPS: list[dict[str, Any]] = queries.read(FILE)["groups"]
RULES = {rule["title"]: rule for group in GROUPS for rule in group["rules"]}
ALERTS = {rule["alert"]: rule for rule in queries.alerts()}
MOST_UID = 40


def seconds(text: str) -> int:
    number, unit = re.fullmatch(r"([0-9]+)([smh])", text).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "m": 60, "h": 3600}[unit]


def test_the_file_is_what_the_code_writes() -> None:
    assert FILE.read_text() == queries.tool("grafana_alerts").render(), "run python tools/grafana_alerts.py"


def test_every_alert_is_there() -> None:
    assert list(RULES) == list(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_it_asks_waits_and_labels_as_prometheus_does(name: str) -> None:
    rule, alert = RULES[name], ALERTS[name]
    assert rule["data"][0]["model"]["expr"] == alert["expr"].strip()
    assert rule["for"] == alert.get("for", "0s")
    assert rule["labels"] == alert["labels"]
    assert rule["annotations"]["runbook"] == alert["annotations"]["runbook"]


@pytest.mark.parametrize("name", ALERTS)
def test_any_series_fires_and_none_is_well(name: str) -> None:
    rule = RULES[name]
    asks, exists, above = (each["model"] for each in rule["data"])
    assert (asks["instant"], asks["range"]) == (True, False)
    assert exists["expression"] == "is_number($query) || is_nan($query) || is_inf($query)"
    assert (above["expression"], above["conditions"]) == (
        "prometheus_math",
        [{"evaluator": {"type": "gt", "params": [0]}}],
    )
    assert (rule["condition"], rule["noDataState"], rule["execErrState"]) == ("threshold", "OK", "Error")


@pytest.mark.parametrize("name", ALERTS)
def test_its_texts_have_nothing_that_grafana_would_take_for_a_variable_of_its_environment(name: str) -> None:
    for text in RULES[name]["annotations"].values():
        assert "$" not in text
    described = RULES[name]["annotations"]["description"]
    assert '(index .Values "query").Value' in described or "query" in described
    back = described.replace('(index .Values "query").Value', "$value").replace(".Labels.", "$labels.")
    assert back == ALERTS[name]["annotations"]["description"]


@pytest.mark.parametrize("name", ALERTS)
def test_grafanas_own_types_know_all_of_it(name: str) -> None:
    rule = RULES[name]
    assert len(rule["uid"]) <= MOST_UID
    known = set(Rule.from_json({**rule, "data": []}).to_json()) | {"missing_series_evals_to_resolve"}
    assert set(rule) <= known
    for each in rule["data"]:
        assert set(each) <= set(Query(ref_id="", datasource_uid="", relative_time_range=None).__dict__) | {
            "refId", "datasourceUid", "relativeTimeRange",
        }  # fmt: skip


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: str(group["name"]))
def test_it_is_evaluated_often_enough(group: dict[str, Any]) -> None:
    assert seconds(group["interval"]) % 10 == 0, "Grafana's own interval"
    for rule in group["rules"]:
        assert seconds(rule["for"]) == 0 or seconds(rule["for"]) >= seconds(group["interval"])
