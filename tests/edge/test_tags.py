"""The file of tags: who may charge, and what a charger is told of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartgrid.edge import tags
from smartgrid.edge.tags import ACCEPTED, INVALID, Tag
from smartgrid.runtime.start_error import StartError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tags"


def test_without_a_file_any_tag_may_charge() -> None:
    assert tags.load(None)("EVE").may_charge


@pytest.mark.parametrize(
    ("line", "told", "known"),
    [
        ("anna", "ANNA", ACCEPTED),
        ("  Anna\t", "anna", ACCEPTED),
        ("anna, Family", "anna", Tag("Accepted", "Family")),
        ("anna,Family,blocked", "anna", Tag("Blocked", "Family")),
        ("anna,,EXPIRED", "anna", Tag("Expired")),
        ("anna,,Accepted", "anna", ACCEPTED),
        ("anna", "eve", INVALID),
        ("anna", "", INVALID),
    ],
)
def test_a_line_is_a_tag_perhaps_its_group_and_its_status(file: Path, line: str, told: str, known: Tag) -> None:
    file.write_text(f"other\n\n{line}\n")
    found = tags.load(file)(told)
    assert found == known
    assert found.may_charge == (known.status == "Accepted")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("anna,,stolen", "line 2: the status must be Accepted, Blocked, Expired, not 'stolen'"),
        (",Family", "line 2: must be a tag of at most 255 characters"),
        ("a" * 256, "line 2: must be a tag of at most 255 characters"),
        ("anna," + "g" * 21, "a group of at most 20"),
        ("anna,Family,Blocked,what", "not 'Blocked,what'"),
    ],
)
def test_a_line_that_is_none_is_said_in_one_sentence(file: Path, line: str, sentence: str) -> None:
    file.write_text(f"other\n{line}\n")
    with pytest.raises(StartError) as error:
        tags.load(file)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_text_is_said_in_one_sentence(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(StartError, match="must be a text file with a tag a line"):
        tags.load(file)
