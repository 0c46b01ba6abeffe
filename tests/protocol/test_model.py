"""The specification in protocol/: TLC finds that its promises hold, and that no rule of it can be left out."""

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
SPECIFICATION = (FOLDER / "Sessions.tla").read_text()


@pytest.fixture(scope="module", autouse=True)
def _tlc() -> None:
    """Where there is no Java or no Maven, a developer may do without; the project's CI may not."""
    reason = model.why_not()
    if reason and "CI" not in os.environ:
        pytest.skip(reason)
    model.tlc()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", model.QUICK)
def test_the_promises_hold(name: str) -> None:
    result = model.check(model.QUICK[name])
    assert result.violated is None, model.story(result.output)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rule", {**model.RULES, **model.ASSUMPTIONS})
def test_without_the_rule_a_promise_breaks(rule: str) -> None:
    instance = {**model.RULES, **model.ASSUMPTIONS}[rule]
    result = model.check(instance)
    assert result.violated == instance.checks[0]
    assert model.story(result.output).count("\n") >= result.steps


def test_every_rule_that_can_be_switched_off_is() -> None:
    rules = set(re.findall(r'Holds\("([\w ]+)"\)', SPECIFICATION))
    assert rules == {rule for group in model.GROUPS.values() for instance in group.values() for rule in instance.broken}


def test_every_kind_of_fault_happens_in_an_instance_whose_promises_hold() -> None:
    kinds = set(re.findall(r'Fault\("([\w ]+)"\)', SPECIFICATION))
    held = {kind for group in (model.QUICK, model.LARGER) for instance in group.values() for kind in instance.kinds}
    assert kinds - held == {"try comes twice"}  # that one must not happen: model.ASSUMPTIONS
    assert held <= kinds


def test_the_readme_tells_of_every_instance_and_rule() -> None:
    readme = (FOLDER / "README.md").read_text()
    told = set(re.findall(r"^\| ([\w ,]+?) \|", readme, re.MULTILINE))
    assert {name for group in model.GROUPS.values() for name in group} <= told
