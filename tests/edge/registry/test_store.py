"""The registry on the disk, used by several threads."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from smartgrid.edge.ports import ChargerId, ChargerSpec, ConnectorSpec
from smartgrid.edge.registry import store
from smartgrid.edge.registry.keys import hash_key, is_key
from smartgrid.edge.registry.spec import SpecError
from smartgrid.edge.registry.store import About, FullError, Registry, RegistryError, UnknownChargerError

KEY = "00112233445566778899AABBCCDDEEFF00112233"
ONE, TWO = ChargerId("substation-0", "CP-1"), ChargerId("substation-1", "CP-1")
SPEC = ChargerSpec(security_profile=1, key_hash=hash_key(KEY))
ABOUT = About("Vendor", "Model", "1.2", 2, {"ChargeProfileMaxStackLevel": "0"})
LONGEST_S = 20.0


@contextmanager
def opened(folder: Path, **options: Any) -> Iterator[Registry]:
    with closing(Registry(folder, **options)) as found:
        yield found


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with opened(tmp_path) as found:
        yield found


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + LONGEST_S
    while not condition():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.01)


def entries(*names: str, **more: Any) -> str:
    return json.dumps([{"substation": "substation-0", "charger": name, "key": KEY} | more for name in names])


def test_a_charger_is_registered_changed_and_removed(registry: Registry) -> None:
    assert registry.get(ONE) is None
    assert registry.put(ONE, SPEC)
    assert registry.get(ONE) == SPEC
    changed = ChargerSpec((ConnectorSpec(1, 16),), 0)
    assert not registry.put(ONE, changed)
    assert registry.get(ONE) == changed
    assert registry.delete(ONE)
    assert registry.get(ONE) is None
    assert not registry.delete(ONE)


def test_a_registration_survives_the_process(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        first.put(ONE, SPEC)
        first.learn(ONE, ABOUT)
    with opened(tmp_path) as second:
        found = second.find(ONE)
        assert found is not None
        assert (found.spec, found.about, found.origin) == (SPEC, ABOUT, store.API)


def test_the_file_is_only_for_its_owner(tmp_path: Path) -> None:
    with opened(tmp_path) as registry:
        registry.put(ONE, SPEC)
        for file in tmp_path.iterdir():
            assert file.stat().st_mode & 0o077 == 0, file


def test_no_key_is_on_the_disk(tmp_path: Path) -> None:
    with opened(tmp_path) as registry:
        registry.put(ONE, SPEC)
        key = registry.rotate_key(ONE)
    content = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    for secret in (KEY, key):
        assert secret.encode() not in content
        assert bytes.fromhex(secret) not in content


def test_a_registration_that_cannot_be_is_refused(registry: Registry) -> None:
    with pytest.raises(SpecError, match="needs a key"):
        registry.put(ONE, ChargerSpec(security_profile=2))
    assert registry.get(ONE) is None


def test_there_is_an_end_to_how_many_there_are(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_CHARGERS", 2)
    registry.put(ONE, SPEC)
    registry.put(TWO, SPEC)
    registry.put(ONE, SPEC)
    with pytest.raises(FullError, match="at most 2"):
        registry.put(ChargerId("substation-2", "x"), SPEC)


def test_pages_are_by_substation_and_name(registry: Registry) -> None:
    every = [ChargerId(f"substation-{n}", f"CP-{m}") for n in range(3) for m in range(4)]
    for charger in reversed(every):
        registry.put(charger, SPEC)
    found: list[ChargerId] = []
    while page := registry.page(5, after=found[-1] if found else None):
        assert len(page) <= 5
        found += [row.charger for row in page]
    assert found == every
    assert registry.count() == 12
    of_one = [row.charger for row in registry.page(10, after=every[5], substation="substation-1")]
    assert of_one == every[6:8]


def test_who_is_removed_is_told(registry: Registry) -> None:
    told: list[ChargerId] = []
    registry.on_removed = told.append
    registry.put(ONE, SPEC)
    registry.delete(TWO)
    assert told == []
    registry.delete(ONE)
    assert told == [ONE]


# ---------------------------------------------------------------------- keys that are rotated


def test_a_new_key_counts_beside_the_old_one_until_it_is_used(registry: Registry) -> None:
    registry.put(ONE, SPEC)
    key = registry.rotate_key(ONE)
    found = registry.find(ONE)
    assert found is not None
    assert found.spec.key_hash == SPEC.key_hash
    assert is_key(key.encode(), found.next_key_hash)
    registry.used_next_key(ONE)
    until(lambda: (registry.find(ONE) or found).next_key_hash == "")
    after = registry.get(ONE)
    assert after is not None
    assert is_key(key.encode(), after.key_hash)
    assert not is_key(KEY.encode(), after.key_hash)


def test_that_a_new_key_was_used_may_be_told_twice(registry: Registry) -> None:
    registry.put(ONE, SPEC)
    key = registry.rotate_key(ONE)
    registry.used_next_key(ONE)
    registry.used_next_key(ONE)
    registry.learn(ONE, ABOUT)
    until(lambda: (row := registry.find(ONE)) is not None and row.about == ABOUT)
    after = registry.get(ONE)
    assert after is not None
    assert is_key(key.encode(), after.key_hash)


def test_a_key_that_the_charger_has_not_taken_is_dropped(registry: Registry) -> None:
    registry.put(ONE, SPEC)
    registry.rotate_key(ONE)
    registry.drop_new_key(ONE)
    found = registry.find(ONE)
    assert found is not None
    assert (found.spec, found.next_key_hash) == (SPEC, "")


def test_who_is_not_registered_has_no_key_to_rotate(registry: Registry) -> None:
    with pytest.raises(UnknownChargerError):
        registry.rotate_key(ONE)


def test_a_registration_anew_forgets_a_rotation(registry: Registry) -> None:
    registry.put(ONE, SPEC)
    registry.rotate_key(ONE)
    registry.put(ONE, SPEC)
    found = registry.find(ONE)
    assert found is not None
    assert found.next_key_hash == ""


# ---------------------------------------------------------------------- what a charger says of itself


def test_pitfall_01_what_a_charger_said_of_itself_is_known_after_a_reconnect(registry: Registry) -> None:
    registry.put(ONE, SPEC)
    registry.learn(ONE, ABOUT)
    until(lambda: (row := registry.find(ONE)) is not None and row.about == ABOUT)
    registry.put(ONE, ChargerSpec())
    found = registry.find(ONE)
    assert found is not None
    assert found.about == ABOUT


def test_what_it_says_is_bounded(registry: Registry) -> None:
    registry.put(ONE, SPEC)
    facts = {f"{number}" * 100: "x" * 10_000 for number in range(1000)}
    registry.learn(ONE, About("v" * 1000, "m" * 1000, "f" * 1000, 10**9, facts))
    until(lambda: (row := registry.find(ONE)) is not None and row.about.connectors > 0)
    found = registry.find(ONE)
    assert found is not None
    assert len(json.dumps(found.about.facts)) < 10_000
    assert (len(found.about.vendor), found.about.connectors) == (50, 32)


# ---------------------------------------------------------------------- an open edge


def test_an_open_registry_lets_anybody_in_and_remembers_who_came(tmp_path: Path) -> None:
    with opened(tmp_path, is_open=True) as registry:
        assert registry.get(ONE) == store.ANYONE
        registry.came(ONE)
        registry.learn(ONE, ABOUT)
        until(lambda: (row := registry.find(ONE)) is not None and row.about == ABOUT)
        assert [row.origin for row in registry.page(10)] == [store.OPEN]
        registry.came(ONE)
        assert registry.count() == 1


def test_who_came_while_it_was_open_is_not_registered_when_it_is_closed(tmp_path: Path) -> None:
    with opened(tmp_path, is_open=True) as registry:
        registry.came(ONE)
    with opened(tmp_path) as registry:
        assert registry.get(ONE) is None
        assert registry.find(ONE) is None
        assert registry.page(10) == []
        assert registry.count() == 0
        assert registry.put(ONE, SPEC)
        assert registry.get(ONE) == SPEC


def test_who_is_registered_stays_so_on_an_open_edge(tmp_path: Path) -> None:
    with opened(tmp_path, is_open=True) as registry:
        registry.put(ONE, SPEC)
        registry.came(ONE)
        registry.learn(ONE, ABOUT)
        until(lambda: (row := registry.find(ONE)) is not None and row.about == ABOUT)
        assert registry.get(ONE) == SPEC


# ---------------------------------------------------------------------- the file of chargers


def test_the_file_is_taken_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "chargers.json"
    file.write_text(entries("a", "b"))
    with opened(tmp_path / "data", chargers_file=file) as registry:
        assert [row.charger.charger for row in registry.page(10)] == ["a", "b"]


@pytest.mark.parametrize("content", ["{}", '[{"charger":"x"}]'])
def test_an_edge_with_a_bad_file_does_not_start(tmp_path: Path, content: str) -> None:
    file = tmp_path / "chargers.json"
    file.write_text(content)
    with pytest.raises(RegistryError, match=r"SMARTGRID_CHARGERS_FILE=.*chargers\.json: the file of chargers"):
        Registry(tmp_path / "data", chargers_file=file)


def test_an_edge_without_its_file_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="No such file"):
        Registry(tmp_path, chargers_file=tmp_path / "none.json")


def test_the_file_is_taken_anew_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LOOK_INTERVAL_S", 0.02)
    file, told = tmp_path / "chargers.json", list[ChargerId]()
    file.write_text(entries("a", "b"))
    with opened(tmp_path / "data", chargers_file=file) as registry:
        registry.on_removed = told.append
        registry.put(ONE, SPEC)
        file.write_text(entries("b", "c"))
        until(lambda: [row.charger.charger for row in registry.page(10)] == ["CP-1", "b", "c"])
        until(lambda: told == [ChargerId("substation-0", "a")])
        file.write_text("[")
        until(lambda: registry._stamp == store._stamp(file))
        assert registry.count() == 3
        file.write_text(entries("d"))
        until(lambda: [row.charger.charger for row in registry.page(10)] == ["CP-1", "d"])


def test_an_entry_that_has_not_changed_does_not_undo_a_rotation(tmp_path: Path) -> None:
    file = tmp_path / "chargers.json"
    file.write_text(entries("a"))
    charger = ChargerId("substation-0", "a")
    with opened(tmp_path / "data", chargers_file=file) as registry:
        key = registry.rotate_key(charger)
        registry.used_next_key(charger)
    file.write_text(entries("a", "b"))
    with opened(tmp_path / "data", chargers_file=file) as registry:
        found = registry.get(charger)
        assert found is not None
        assert is_key(key.encode(), found.key_hash)


def test_an_entry_that_has_changed_counts(tmp_path: Path) -> None:
    file = tmp_path / "chargers.json"
    file.write_text(entries("a"))
    charger = ChargerId("substation-0", "a")
    with opened(tmp_path / "data", chargers_file=file) as registry:
        registry.rotate_key(charger)
    file.write_text(entries("a", quirks="acme"))
    with opened(tmp_path / "data", chargers_file=file) as registry:
        found = registry.find(charger)
        assert found is not None
        assert (found.spec.quirks, found.next_key_hash) == ("acme", "")


# ---------------------------------------------------------------------- trouble


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / store.FILE_NAME)) as other:
        other.execute("PRAGMA user_version = 99")
        other.execute("CREATE TABLE t (a)")
    with pytest.raises(RegistryError, match="another program, or of a newer version"):
        Registry(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / store.FILE_NAME).write_bytes(b"rubbish" * 1000)
    with pytest.raises(RegistryError, match=r"chargers\.sqlite cannot be opened"):
        Registry(tmp_path)


def test_reading_never_waits_for_somebody_who_writes(registry: Registry) -> None:
    """The event loop reads at each connect."""
    registry.put(ONE, SPEC)
    with registry._write_lock:
        registry._writer.execute("BEGIN IMMEDIATE")
        registry._writer.execute("DELETE FROM chargers")
        assert registry.get(ONE) == SPEC
        registry.learn(ONE, ABOUT)
        registry._writer.rollback()


def test_many_threads_may_use_it_at_once(registry: Registry) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            charger = ChargerId("substation-0", f"CP-{number}")
            for _ in range(20):
                registry.put(charger, SPEC)
                registry.learn(charger, ABOUT)
                assert registry.get(charger) == SPEC
                registry.page(5)
                registry.rotate_key(charger)
                registry.used_next_key(charger)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert registry.count() == 8
