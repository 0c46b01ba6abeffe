"""What may stand in a registration, and in the file of chargers."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.ports import ChargerId, ChargerSpec, ConnectorSpec
from smartgrid.edge.registry import spec
from smartgrid.edge.registry.keys import hash_key, is_key
from smartgrid.edge.registry.spec import SpecError, read_file

KEY = "00112233445566778899AABBCCDDEEFF00112233"
CHARGER = ChargerId("substation-0", "CP-1")


def entry(**more: Any) -> dict[str, Any]:
    return {"substation": "substation-0", "charger": "CP-1", "key": KEY} | more


def read(*entries: dict[str, Any]) -> list[spec.Entry]:
    return read_file(json.dumps(entries).encode())


def test_a_registration_comes_back_from_its_row_as_it_was() -> None:
    made = ChargerSpec((ConnectorSpec(1, 16), ConnectorSpec(3, 32.5)), 3, "", "serial-1", "acme")
    assert spec.from_json(spec.to_json(made)) == made


def test_an_entry_needs_only_a_place_and_a_key() -> None:
    (found,) = read(entry())
    assert found.charger == CHARGER
    assert found.spec.connectors == (ConnectorSpec(3, 32),)
    assert found.spec.security_profile == 1
    assert is_key(KEY.encode(), found.spec.key_hash)


def test_an_entry_may_say_all_of_it() -> None:
    connectors = [{"phases": 1, "rating_a": 16}, {}]
    key_hash = hash_key(KEY)
    (found,) = read(entry(key=None, key_hash=key_hash, connectors=connectors, security_profile=2, quirks="acme"))
    assert found.spec == ChargerSpec((ConnectorSpec(1, 16), ConnectorSpec(3, 32)), 2, key_hash, "", "acme")


def test_an_entry_has_the_same_digest_until_it_changes() -> None:
    assert read(entry())[0].digest == read(entry())[0].digest
    assert read(entry())[0].digest != read(entry(quirks="acme"))[0].digest
    assert KEY not in read(entry())[0].digest


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([entry(key="secret")], "0.key: String should have at least 16 characters"),
        ([entry(key="x" * 16)], "a charger's key must be random"),
        ([entry(key=None)], "security profile 1 needs a key"),
        ([entry(key_hash=hash_key(KEY))], "a key or a key_hash, not both"),
        ([entry(key=None, key_hash="md5")], "key_hash must be what `hash_key` makes"),
        ([entry(substation="Sub 0")], "a DNS label such as substation-0"),
        ([entry(charger="a/b")], "printable characters without slashes"),
        ([entry(charger="")], "printable characters without slashes"),
        ([entry(connectors=[])], "0.connectors"),
        ([entry(connectors=[{}] * 33)], "0.connectors"),
        ([entry(), entry(charger="CP-2", connectors=[{"phases": 4}])], "1.connectors.0.phases"),
        ([entry(connectors=[{"rating_a": 5}])], "0.connectors.0.rating_a"),
        ([entry(security_profile=4)], "0.security_profile"),
        ([entry(colour="red")], "0.colour"),
        ([entry(), entry()], "'CP-1' of 'substation-0' twice"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(entries: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(*entries)
    assert said in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"[", b'"x"', b"\xff"])
def test_a_file_that_is_no_list_of_chargers_is_refused(content: bytes) -> None:
    with pytest.raises(SpecError, match="the file of chargers"):
        read_file(content)


@given(st.binary(max_size=300))
def test_any_file_is_read_or_refused(content: bytes) -> None:
    with suppress(SpecError):
        read_file(content)
