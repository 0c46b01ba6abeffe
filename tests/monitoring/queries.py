"""All PromQL that the project ships, out of its rules and dashboards."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "monitoring" / "rules.yaml"
DASHBOARDS = ROOT / "dashboards"
TEST_WINDOW = "6s"
SELECTOR = re.compile(r"[a-z_]+\{[^}]*\}")


@dataclass(frozen=True)
class Query:
    """A query and where it stands."""

    where: str
    expression: str


def tool(name: str) -> ModuleType:
    """The module of this name in tools/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@functools.cache
def read(path: Path) -> dict[str, Any]:
    """A file of YAML; whoever asks for it must leave it as it is."""
    return dict(yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def rule_groups() -> list[dict[str, Any]]:
    return list(read(RULES)["groups"])


def alerts() -> list[dict[str, Any]]:
    return [rule for group in rule_groups() for rule in group["rules"] if "alert" in rule]


def dashboards() -> dict[str, dict[str, Any]]:
    return {path.name: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """All but the headings of rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def panel_queries(window: str = TEST_WINDOW, namespace: str = ".*") -> Iterator[Query]:
    """Every query of every panel, as Grafana would send it with all substations chosen."""
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield Query(f"{name}: {panel['title']}", filled(target["expr"], window, namespace))


def rule_queries() -> Iterator[Query]:
    """What each recording rule records, and each selector that an alert looks at."""
    for group in rule_groups():
        for rule in group["rules"]:
            if "record" in rule:
                yield Query(rule["record"], rule["record"])
            for selector in SELECTOR.findall(rule["expr"]) if "alert" in rule else ():
                yield Query(rule["alert"], selector)


def filled(expression: str, window: str = TEST_WINDOW, namespace: str = ".*") -> str:
    """The expression with its variables and its windows replaced."""
    for variable, value in {"$namespace": namespace, "$substation": ".*", "$__rate_interval": window}.items():
        expression = expression.replace(variable, value)
    return shortened(expression, window)


def shortened(text: str, window: str = TEST_WINDOW) -> str:
    """A test does not wait for minutes: the same over a shorter window."""
    return text.replace("[5m]", f"[{window}]").replace("[15m]", f"[{window}]")
