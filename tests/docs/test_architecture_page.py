"""docs/architecture.md says where each rule is: the files that it names are there, and so is what it names in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src" / "smartgrid"
PAGE = (REPOSITORY / "docs" / "architecture.md").read_text()
RULES = PAGE.partition("## Where is the rule that")[2].partition("\n## ")[0]
ROWS = [line for line in RULES.splitlines() if line.startswith("| ")][1:]
CODE = re.compile(r"`([^`]+)`")


def where_it_is(row: str) -> list[str]:
    return CODE.findall(row.split("|")[2])


def is_there(name: str) -> bool:
    """A file of a test or a specification, or a folder of tests."""
    return (REPOSITORY / name).exists()


def test_there_are_rules():
    assert len(ROWS) > 10


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_what_holds_a_rule_is_there(row: str):
    named = CODE.findall(row.split("|")[3])

    assert [name for name in named if not is_there(name)] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_a_rule_is_where_the_page_says(row: str):
    text = ""
    for name in where_it_is(row):
        if name.endswith(".py"):
            text = (SOURCE / name).read_text()
        else:
            *owner, function = name.split(".")
            assert all(f"class {each}" in text for each in owner), name
            assert f"def {function}(" in text, name
