"""docs/ocpp-cases.md names every use case of OCPP 2.0.1, and every case that a test plays."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/ocpp-cases.md"
CASES = ROOT / "tests/edge/cases"
OF_1, OF_2 = re.compile(r"TC_\d{3}"), re.compile(r"\b[A-P]\d{2}\b")
MOST = {"A": 5, "B": 12, "C": 16, "D": 2, "E": 15, "F": 6, "G": 5, "H": 4, "I": 6, "J": 3, "K": 17, "L": 4, "M": 6,
        "N": 10, "O": 6, "P": 2}  # fmt: skip
"""How many use cases each block of part 2 has."""


def named() -> list[str]:
    """In the first cells of the tables, in their order."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    first = " ".join(line.split("|")[1] for line in lines)
    return OF_1.findall(first) + OF_2.findall(first)


def played(file: str, pattern: str) -> set[str]:
    return {each.upper() for each in re.findall(pattern, (CASES / file).read_text())}


def test_every_use_case_of_2_0_1_has_its_place_and_one_only() -> None:
    of_2 = [each for each in named() if OF_2.fullmatch(each)]
    assert sorted(of_2) == [f"{block}{n:02}" for block, most in MOST.items() for n in range(1, most + 1)]


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("test_ocpp16_cases.py", r"(?i)tc_\d{3}"),
        ("test_ocpp201_cases.py", r"(?<=[_\"])[a-pA-P]\d{2}(?=_)"),
    ],
)
def test_every_case_that_is_played_is_in_the_table(file: str, pattern: str) -> None:
    found = played(file, pattern)
    assert len(found) > 30
    assert found <= set(named())


def test_every_file_that_it_names_is_there() -> None:
    paths = re.findall(r"`(tests/[^`]+)`", PAGE.read_text())
    assert len(paths) > 3
    assert [path for path in paths if not (ROOT / path).exists()] == []
