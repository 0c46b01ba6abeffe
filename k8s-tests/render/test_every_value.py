"""Every value does what it says, and no value is without a test of that."""

from __future__ import annotations

import pytest
import yaml

from render import value_types
from render.charts import FOLDERS
from render.comments import comments
from render.generate import leaves
from render.manifests import Chart, Manifest, RefusedError, at
from render.value_cases import ABSENT, CASES, TESTED_ELSEWHERE, TOGETHER, Case


def before_of(chart: Chart, case: Case) -> object:
    """The same without the value, where the chart takes it so: some values need each other."""
    around = {name: to for name, to in case.also.items() if name != case.value} if case.alone else {}
    try:
        return found(chart.objects(around), case)
    except RefusedError:
        return ABSENT


def found(objects: dict[str, Manifest], case: Case) -> object:
    if case.of not in objects:
        return ABSENT
    path, star, _ = case.path.partition("/*")
    value = at(objects[case.of], path)
    return next((item for item in value if item == case.expected), value) if star else value


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.value} in {case.of} {case.path}")
def test_a_value_changes_what_it_should(chart: Chart, case: Case) -> None:
    after = found(chart.objects({**case.also, case.value: case.to} if case.alone else TOGETHER), case)
    assert after is ABSENT if case.expected is ABSENT else after == case.expected
    assert before_of(chart, case) != after, "the value had no effect"


def all_values() -> set[str]:
    """Every value that the charts' values.yaml offers."""
    return {
        f"{chart}.{path}" if chart else path
        for chart, folder in FOLDERS.items()
        for path, _ in leaves(value_types.OF_CHART[chart])
        if path in comments((folder / "values.yaml").read_text())
    }


def test_no_value_is_without_a_case() -> None:
    assert all_values() - TESTED_ELSEWHERE == {case.value for case in CASES}


@pytest.mark.parametrize("name", FOLDERS)
def test_every_value_has_a_comment(name: str) -> None:
    text = (FOLDERS[name] / "values.yaml").read_text()
    assert yaml.safe_load(text), "no values at all"
    meanings = comments(text)
    typed = dict(leaves(value_types.OF_CHART[name]))
    silent = [path for path in meanings if path in typed and not any(meanings.get(part) for part in parents(path))]
    assert silent == []


def parents(path: str) -> list[str]:
    """A dotted path, and the paths around it: a group of values may share a comment."""
    names = path.split(".")
    return [".".join(names[: length + 1]) for length in range(len(names))]
