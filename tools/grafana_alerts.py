"""Writes the alerts for Grafana, of the same rules as Prometheus': `python tools/grafana_alerts.py`.

monitoring/rules.yaml is the one source; a test holds that monitoring/rules-grafana.yaml is what this writes from it.
The file is one that Grafana provisions: the chart ships it as a ConfigMap, which Grafana's sidecar takes. What
Prometheus records stays with Prometheus; Grafana asks for it.

An alert is converted as Grafana itself converts rules that are imported into it: whatever series the query returns
fires, also one whose value is 0 or not a number, as with Prometheus; no series is well.

The texts are templates of Go's in both. Prometheus' `$value` is a number, and Grafana's a description of all values, so
it becomes the value of the one named `query`, written so that no one takes it for a value of a Helm chart; `$labels`
becomes `.Labels`, as Grafana replaces what follows a `$` in a file by variables of its environment. To a `query` within
a text it answers nothing, for which the texts have an `else`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "monitoring" / "rules.yaml"
FILE = ROOT / "monitoring" / "rules-grafana.yaml"
FOLDER = "Smart grid"
INTERVAL = "30s"  # a multiple of Grafana's own, 10 s; the shortest `for` of the rules
DATASOURCE = "prometheus"  # the uid that kube-prometheus-stack gives its Prometheus
EXPRESSION = "__expr__"
LOOK_BACK_S = 600
QUERY, MATH, THRESHOLD = "query", "prometheus_math", "threshold"
HEADER = """\
# Written by `python tools/grafana_alerts.py` from rules.yaml; change that one and run it.
"""


def main() -> None:
    FILE.write_text(render())


def render() -> str:
    """The file's text, the same in every run."""
    groups = [_group(group) for group in yaml.safe_load(SOURCE.read_text())["groups"]]
    made = {"apiVersion": 1, "groups": [group for group in groups if group["rules"]]}
    return HEADER + yaml.dump(made, Dumper=_WithoutAliases, sort_keys=False, width=120, allow_unicode=True)


class _WithoutAliases(yaml.SafeDumper):
    """Says again what is the same, for readers."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _group(group: dict[str, Any]) -> dict[str, Any]:
    name = group["name"]
    rules = [_rule(rule) for rule in group["rules"] if "alert" in rule]
    return {"orgId": 1, "name": name, "folder": FOLDER, "interval": INTERVAL, "rules": rules}


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    return {
        "uid": rule["alert"],
        "title": rule["alert"],
        "condition": THRESHOLD,
        "data": [
            _query(QUERY, DATASOURCE, {"expr": rule["expr"].strip(), "instant": True, "range": False}),
            _query(MATH, EXPRESSION, {"type": "math", "expression": _EXISTS}),
            _query(THRESHOLD, EXPRESSION, {"type": "threshold", "expression": MATH, "conditions": [_ABOVE_0]}),
        ],
        "noDataState": "OK",
        "execErrState": "Error",
        "for": rule.get("for", "0s"),
        # Prometheus' alert has resolved as soon as its series is gone; Grafana's would after a second evaluation.
        "missing_series_evals_to_resolve": 1,
        "annotations": {name: _text(text) for name, text in rule["annotations"].items()},
        "labels": rule["labels"],
    }


_EXISTS = f"is_number(${QUERY}) || is_nan(${QUERY}) || is_inf(${QUERY})"
_VALUE = f'(index .Values "{QUERY}").Value'
_ABOVE_0 = {"evaluator": {"type": "gt", "params": [0]}}


def _query(ref_id: str, datasource: str, model: dict[str, Any]) -> dict[str, Any]:
    kind = EXPRESSION if datasource == EXPRESSION else "prometheus"
    whole = {"refId": ref_id, "datasource": {"type": kind, "uid": datasource}, **model}
    period = {"from": LOOK_BACK_S, "to": 0}
    return {"refId": ref_id, "datasourceUid": datasource, "relativeTimeRange": period, "model": whole}


def _text(text: str) -> str:
    return re.sub(r"\$value\b", _VALUE, text).replace("$labels.", ".Labels.")


if __name__ == "__main__":
    main()
