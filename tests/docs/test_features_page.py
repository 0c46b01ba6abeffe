"""docs/features.md names only what is there, and shows each of its rows by a test."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/features.md"
CELL = re.compile(r"\s*\|\s*")
NAMED = re.compile(r"`([^`]+)`")
LINKED = re.compile(r"\]\(([^)#:]+)\)")


def rows() -> list[list[str]]:
    """The cells of each row of each table, but for their heads."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    cells = [CELL.split(line.strip().strip("|").strip()) for line in lines if not set(line) <= set("|- ")]
    return [row for row in cells if row[0] != "asked"]


def paths(text: str) -> list[str]:
    """What is named as a file or a folder of this repository; of a test, with its name."""
    return [
        name for name in NAMED.findall(text) if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?(::\w+)?", name) and is_path(name)
    ]


def is_path(name: str) -> bool:
    return "/" in name or name.endswith((".yaml", ".py", ".json"))


@pytest.fixture(scope="module")
def kept() -> set[str]:
    """Every file of the repository, and every folder."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return {"/".join(file.split("/")[: end + 1]) for file in files for end in range(file.count("/") + 1)}


def test_every_file_that_is_named_is_there(kept: set[str]) -> None:
    named = {path.partition("::")[0].rstrip("/") for path in paths(PAGE.read_text())}
    assert len(named) > len(rows())
    assert sorted(named - kept) == []


def test_every_page_that_is_linked_is_there() -> None:
    assert [link for link in LINKED.findall(PAGE.read_text()) if not (PAGE.parent / link).exists()] == []


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:40])
def test_every_row_says_where_it_is_and_is_shown_by_tests(row: list[str]) -> None:
    _asked, where, shown = row
    assert where
    tests = paths(shown)
    assert tests
    for test in tests:
        file, _, name = test.partition("::")
        assert re.search(r"(^|/)test_\w+\.py$", file), "only tests show something"
        assert not name or f"def {name}(" in (ROOT / file).read_text()
