"""The specifications in protocol/: TLC finds that their promises hold, and that no rule of them can be left out."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

FOLDER = Path(__file__).parents[2] / "protocol"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("protocol_check", FOLDER / "check.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules["protocol_check"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


model: Any = _load()
SPECIFICATIONS = "".join(path.read_text() for path in sorted(FOLDER.glob("*.tla")))


@pytest.fixture(scope="module", autouse=True)
def _tlc() -> None:
    """Where there is no Java or no Maven, a developer may do without; the project's CI may not."""
    reason = model.why_not()
    if reason and "CI" not in os.environ:
        pytest.skip(reason)
    model.tlc()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", model.GROUPS["quick"])
def test_the_promises_hold(name: str) -> None:
    result = model.check(model.GROUPS["quick"][name], small=True)
    assert result.violated is None, model.story(result.output)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rule", [rule for rule in model.GROUPS["rules"] if rule not in model.SLOW_RULES])
def test_without_the_rule_a_promise_breaks(rule: str) -> None:
    instance = model.GROUPS["rules"][rule]
    result = model.check(instance, small=True)
    assert result.violated == instance.checks[0]
    assert model.story(result.output).count("\n") >= result.steps


def test_every_rule_that_can_be_switched_off_is() -> None:
    rules = set(re.findall(r'Holds\("([\w ]+)"\)', SPECIFICATIONS))
    assert rules == {rule for group in model.GROUPS.values() for instance in group.values() for rule in instance.broken}


def test_every_kind_of_fault_happens_in_an_instance_whose_promises_hold() -> None:
    kinds = set(re.findall(r'Fault\("([\w ]+)"\)', SPECIFICATIONS))
    groups = (model.GROUPS["quick"], model.GROUPS["larger"])
    held = {kind for group in groups for instance in group.values() for kind in instance.kinds}
    assert kinds - held == {"try comes twice"}  # that one must not happen: model.ASSUMPTIONS
    assert held <= kinds


def test_the_readme_tells_of_every_instance_and_rule() -> None:
    readme = (FOLDER / "README.md").read_text()
    in_tables = set(re.findall(r"^\| ([\w ,]+?) \|", readme, re.MULTILINE))
    by_name = {" ".join(name.split()) for name in re.findall(r"\*([\w\s,]+)\*", readme)}
    assert {*model.GROUPS["quick"], *model.GROUPS["larger"], *model.GROUPS["rules"]} <= in_tables
    assert set(model.LARGE) <= by_name
