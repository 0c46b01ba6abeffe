"""Where a charger connects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.ocpp.path import charger_of, version_of
from smartgrid.edge.ports import ChargerId, OcppVersion


@pytest.mark.parametrize(
    ("target", "charger"),
    [
        ("/ocpp/substation-0/CP-1", "CP-1"),
        ("/ocpp/substation-0/CP%20001", "CP 001"),
        ("/ocpp/substation-0/a+b=c:d%7Ce", "a+b=c:d|e"),
        ("/ocpp/substation-0/%C3%A4", "ä"),
        ("/ocpp/substation-0/CP-1?token=x", "CP-1"),
        ("/ocpp/substation-0/a%2541", "a%41"),
        ("/ocpp/substation-0/" + "x" * 48, "x" * 48),
        ("/ocpp/substation-0/...", "..."),
    ],
)
def test_pitfall_24_a_charger_s_name_is_percent_decoded_once(target: str, charger: str) -> None:
    assert charger_of(target) == ChargerId("substation-0", charger)


@pytest.mark.parametrize(
    "target",
    ["/ocpp/substation-0/CP-1/", "/ocpp/substation-0//CP-1", "//ocpp/substation-0/CP-1", "/ocpp/substation-0//CP-1/?x"],
)
def test_a_slash_too_many_changes_nothing(target: str) -> None:
    """A URL that ends with one, and a charger that appends one with its name; one that ends its URL so."""
    assert charger_of(target) == ChargerId("substation-0", "CP-1")


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/",
        "/ocpp",
        "/ocpp/substation-0",
        "/ocpp/substation-0/",
        "/ocpp//CP-1",
        "/ocpp/substation-0/CP-1//x",
        "ocpp/substation-0/CP-1",
        "/ocpp/substation-0/a/b",
        "/OCPP/substation-0/CP-1",
        "/ocpp/Substation-0/CP-1",
        "/ocpp/sub_station/CP-1",
        "/ocpp/-x/CP-1",
        "/ocpp/" + "s" * 64 + "/CP-1",
        "/ocpp/substation-0/..",
        "/ocpp/substation-0/.",
        "/ocpp/substation-0/%2e%2e",
        "/ocpp/substation-0/a%2Fb",
        "/ocpp/substation-0/..%2F..%2Fetc",
        "/ocpp/substation-0/a%5Cb",
        "/ocpp/../substation-0/CP-1",
        "/ocpp/substation-0/a%00b",
        "/ocpp/substation-0/a%0Ab",
        "/ocpp/substation-0/%FF",
        "/ocpp/substation-0/" + "x" * 49,
        "/ocpp/substation-0/CP-1" + "?" + "x" * 600,
        "http://host/ocpp/substation-0/CP-1",
    ],
)
def test_pitfall_24_no_traversal_and_nothing_unprintable(target: str) -> None:
    assert charger_of(target) is None


@given(st.text() | st.text(max_size=60).map(lambda text: f"/ocpp/substation-0/{text}"))
def test_whatever_is_asked_for_a_charger_found_is_one_name_in_one_place(target: str) -> None:
    charger = charger_of(target)
    if charger is not None:
        assert charger.charger.isprintable()
        assert not {"/", "\\"} & {*charger.charger}
        assert 1 <= len(charger.charger) <= 48


@pytest.mark.parametrize(
    ("offered", "version"),
    [
        (["ocpp1.6"], OcppVersion.V16),
        (["ocpp2.0.1", "ocpp1.6"], OcppVersion.V201),
        (["ocpp1.6", "ocpp2.0.1"], OcppVersion.V16),
        (["ocpp2.2", "ocpp2.1", "ocpp1.6"], OcppVersion.V21),
        (["ocpp1.5", "soap"], None),
        (["OCPP1.6"], None),
        ([], None),
    ],
)
def test_of_what_a_charger_offers_its_first_that_we_speak_is_taken(
    offered: list[str], version: OcppVersion | None
) -> None:
    assert version_of(offered) is version
