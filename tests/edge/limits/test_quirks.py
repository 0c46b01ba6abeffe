"""The table of quirks: what is in it, whom an entry is for, and what is said of one that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from smartgrid.edge.limits.quirks import DEFAULT, QuirksEntry, Table
from smartgrid.edge.ports import ProfileKind, RateUnit
from smartgrid.runtime.start_error import StartError

OURS = {"name": "ours", "vendor": "Acme", "model": "Box ?", "source": "our workshop"}


def table(tmp_path: Path, *entries: object) -> Table:
    file = tmp_path / "quirks.json"
    file.write_text(json.dumps(list(entries)))
    return Table.load(file)


def test_an_unknown_model_gets_the_defaults() -> None:
    assert Table.load().of("Acme", "Box 1") == DEFAULT


@pytest.mark.parametrize(
    ("vendor", "model", "name"),
    [
        ("ABB", "CDT_TACW22::NET_WIFI", "abb-terra-ac"),
        ("ABB", "Terra 54", "default"),
        ("go-e", "go-eCharger_V4", "go-e"),
        ("Easee ASA", "Easee One", "easee"),
        ("MicroOcpp", "MicroOcpp Simulator", "microocpp"),
        ("", "", "default"),
    ],
)
def test_known_models_are_known_by_what_they_say_of_themselves(vendor: str, model: str, name: str) -> None:
    assert Table.load().of(vendor, model).name == name


def test_a_charger_can_be_registered_with_an_entry_whatever_it_says() -> None:
    found = Table.load().of("Acme", "Box 1", "timxon-a0")
    assert found.kinds == (ProfileKind.TX_DEFAULT,)
    assert Table.load().of("MicroOcpp", "", "no such entry").name == "microocpp"


def test_names_fit_in_any_case() -> None:
    assert Table.load().of("GO-E", "x").name == "go-e"


def test_the_users_entries_come_before_those_that_are_built_in(tmp_path: Path) -> None:
    found = table(tmp_path, OURS, {"name": "easee", "vendor": "Easee*", "source": "measured", "unit": "W"})
    assert found.of("Acme", "Box 1").name == "ours"
    assert found.of("Easee ASA", "Easee One").unit is RateUnit.WATTS
    assert found.of("", "", "easee").unit is RateUnit.WATTS
    assert found.of("go-e", "").name == "go-e"


def test_of_several_that_fit_the_first_counts(tmp_path: Path) -> None:
    assert table(tmp_path, OURS, OURS | {"name": "second", "model": "*"}).of("acme", "box 1").name == "ours"


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        (OURS | {"unti": "W"}, "0.unti"),
        (OURS | {"unit": "kW"}, "0.unit"),
        (OURS | {"minimum_a": 5}, "0.minimum_a"),
        (OURS | {"name": "Our Box"}, "0.name"),
        (OURS | {"kinds": []}, "0.kinds"),
        (OURS | {"kinds": ["TxProfile", "TxProfile"]}, "each profile once"),
        (OURS | {"kinds": ["TxDefaultProfile"], "clock": "relative"}, "needs TxProfile"),
        ({"name": "ours"}, "0.source"),
        ("ours", "0"),
    ],
)
def test_a_wrong_entry_is_said_in_one_sentence(tmp_path: Path, entry: object, part: str) -> None:
    with pytest.raises(StartError) as refused:
        table(tmp_path, entry)
    text = str(refused.value)
    assert text.startswith("SMARTGRID_QUIRKS_FILE")
    assert part in text
    assert "\n" not in text


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="'ours'"):
        table(tmp_path, OURS, OURS)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="SMARTGRID_QUIRKS_FILE"):
        Table.load(tmp_path / "none.json")


def test_an_entry_that_says_nothing_is_the_default() -> None:
    found = QuirksEntry.model_validate(OURS).quirks
    assert {**_values(found), "name": "default"} == _values(DEFAULT)


def test_the_document_has_every_field_and_every_entry_that_is_built_in() -> None:
    text = (Path(__file__).parents[3] / "docs" / "quirks.md").read_text()
    for name in QuirksEntry.model_fields:
        assert f"| `{name}` |" in text
    for name in Table.load()._by_name:
        assert f"`{name}`" in text


def _values(quirks: Any) -> dict[str, Any]:
    return {name: getattr(quirks, name) for name in quirks.__slots__}
