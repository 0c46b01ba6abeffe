"""A charger that was deleted stays so."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from smartgrid.edge.ports import ChargerId
from smartgrid.edge.registry import store
from smartgrid.edge.registry.keys import hash_key
from smartgrid.edge.registry.store import Registry

STOLEN = ChargerId("substation-0", "stolen")
ENTRY = {
    **STOLEN._asdict(),
    "connectors": [{"phases": 3, "rating_a": 32}],
    "security_profile": 1,
    "key_hash": hash_key("00112233445566778899AABBCCDDEEFF00112233"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of chargers, in which it stands."""
    found = tmp_path / "chargers.json"
    found.write_text(json.dumps([ENTRY]))
    return found


@pytest.fixture(autouse=True)
def _long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is deleted here was deleted longer ago than deletions are kept."""
    monkeypatch.setattr(store, "KEPT_DELETIONS_S", -60.0)


def test_one_that_still_stands_in_the_file_does_not_come_back_by_it(tmp_path: Path, file: Path) -> None:
    with closing(Registry(tmp_path, chargers_file=file)) as registry:
        assert registry.get(STOLEN) is not None
        assert registry.delete(STOLEN)
    for _ in range(2):
        with closing(Registry(tmp_path, chargers_file=file)) as registry:
            assert registry.get(STOLEN) is None


def test_one_that_another_edge_has_deleted_does_not_come_back_by_the_file_here(tmp_path: Path, file: Path) -> None:
    with (
        closing(Registry(tmp_path / "one", chargers_file=file)) as one,
        closing(Registry(tmp_path / "other", chargers_file=file)) as other,
    ):
        one.delete(STOLEN)
        other.merge(one.changes(0, 100)[0])
    with closing(Registry(tmp_path / "other", chargers_file=file)) as other:
        assert other.get(STOLEN) is None


def test_it_comes_back_where_its_entry_was_changed_or_taken_out_and_put_in_again(tmp_path: Path, file: Path) -> None:
    with closing(Registry(tmp_path, chargers_file=file)) as registry:
        registry.delete(STOLEN)
    file.write_text("[]")
    with closing(Registry(tmp_path, chargers_file=file)) as registry:
        assert registry.get(STOLEN) is None
    file.write_text(json.dumps([ENTRY]))
    with closing(Registry(tmp_path, chargers_file=file)) as registry:
        assert registry.get(STOLEN) is not None
        registry.delete(STOLEN)
    file.write_text(json.dumps([{**ENTRY, "connectors": [{"phases": 1}]}]))
    with closing(Registry(tmp_path, chargers_file=file)) as registry:
        assert registry.get(STOLEN) is not None
