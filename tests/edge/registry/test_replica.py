"""Every edge has the registrations of all: the rule by which rows become one, and the registry that keeps to it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.ports import ChargerId, ChargerSpec, ConnectorSpec
from smartgrid.edge.registry import store
from smartgrid.edge.registry.keys import hash_key, is_key
from smartgrid.edge.registry.replica import API, GONE, About, Registered, is_newer
from smartgrid.edge.registry.spec import SpecError
from smartgrid.edge.registry.store import Registry
from smartgrid.edge.registry.wire import ChangesBody, RowBody, from_wire, to_wire

KEY = "00112233445566778899AABBCCDDEEFF00112233"
ONE, TWO = ChargerId("substation-0", "CP-1"), ChargerId("substation-1", "CP-1")
SPEC = ChargerSpec(security_profile=1, key_hash=hash_key(KEY))
OTHER_SPEC = ChargerSpec((ConnectorSpec(1, 16.0),), 0)
ABOUT = About("Vendor", "Model", "1.2", 2, {"a": "b"})
LONGEST_S = 20.0

EDGES = 3
CHANGES = st.tuples(st.just("change"), st.integers(0, EDGES - 1), st.integers(-100, 100), st.integers(0, 3))
TALKS = st.tuples(st.just("tell"), st.integers(0, EDGES - 1), st.integers(0, EDGES - 1), st.booleans())


def merged(theirs: Registered, own: Registered | None) -> Registered:
    """As `Registry.merge` has it."""
    if own is None:
        return theirs
    is_row_newer, is_about_newer = is_newer(theirs, own)
    row, about = theirs if is_row_newer else own, theirs if is_about_newer else own
    return row._replace(about=about.about, about_version=about.about_version)


@given(st.lists(CHANGES | TALKS, max_size=60), st.randoms(use_true_random=False))
def test_whatever_was_changed_where_and_told_to_whom_all_end_with_the_same(
    steps: list[tuple[str, int, int, int]], rng: random.Random
) -> None:
    """Clocks are up to 100 s off, and of one charger two edges may change anything at the same time."""
    edges: list[Registered | None] = [None] * EDGES
    for now_s, (step, edge, other, what) in enumerate(steps):
        row = edges[edge]
        if step == "tell" and row is not None:
            edges[other] = merged(row, edges[other])
        elif step == "change":
            version = max((row.version if row else 0) + 1, 1000 + now_s + other)
            before = row or Registered(ONE, SPEC, API, "", About())
            if what == 3:
                edges[edge] = before._replace(about=About(str(now_s)), about_version=version)
            else:
                origin, spec = ((API, SPEC), (API, OTHER_SPEC), (GONE, SPEC))[what]
                edges[edge] = before._replace(origin=origin, spec=spec, version=version)
    pairs = [(one, two) for one in range(EDGES) for two in range(EDGES)] * 2
    rng.shuffle(pairs)
    for one, two in [*pairs, *((one, two) for one in range(EDGES) for two in range(EDGES)), *pairs]:
        row = edges[one]
        if row is not None:
            edges[two] = merged(row, edges[two])
    assert len({repr(row) for row in edges}) == 1


def test_who_has_seen_a_change_and_makes_another_is_newer_whatever_its_clock_says() -> None:
    seen = Registered(ONE, SPEC, API, "", About(), version=9_000)
    assert is_newer(seen._replace(spec=OTHER_SPEC, version=9_001), seen) == (True, False)
    assert is_newer(seen, seen) == (False, False)


@pytest.fixture
def edges(tmp_path: Path) -> Iterator[tuple[Registry, Registry]]:
    with ExitStack() as stack:
        first, second = (stack.enter_context(closing(Registry(tmp_path / name))) for name in ("first", "second"))
        yield first, second


def tell(one: Registry, other: Registry) -> int:
    """All that one knows, as it goes over the wire."""
    rows, _ = one.changes(0, 1000)
    body = ChangesBody.model_validate(
        {"epoch": one.epoch, "sequence": 0, "is_end": True, "rows": [to_wire(row) for row in rows]}
    )
    return other.merge([from_wire(row) for row in body.rows])


def until_known(registry: Registry, about: About) -> None:
    end_s = time.monotonic() + LONGEST_S
    while (row := registry.find(ONE)) is None or row.about != about:
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_a_registration_a_change_and_a_deletion_come_to_the_other_edge(edges: tuple[Registry, Registry]) -> None:
    one, other = edges
    gone: list[ChargerId] = []
    other.on_removed = gone.append
    one.put(ONE, SPEC)
    assert tell(one, other) == 1
    assert other.get(ONE) == SPEC
    other.put(ONE, OTHER_SPEC)
    tell(other, one)
    assert one.get(ONE) == OTHER_SPEC
    one.delete(ONE)
    tell(one, other)
    assert other.get(ONE) is None
    assert gone == [ONE]
    assert (one.count(), other.count(), other.page(10)) == (0, 0, [])


def test_a_deletion_is_not_undone_by_an_edge_that_has_not_heard_of_it(edges: tuple[Registry, Registry]) -> None:
    one, other = edges
    one.put(ONE, SPEC)
    tell(one, other)
    one.delete(ONE)
    assert tell(other, one) == 0
    assert one.get(ONE) is None


def test_what_was_deleted_can_be_registered_anew(edges: tuple[Registry, Registry]) -> None:
    one, other = edges
    one.put(ONE, SPEC)
    one.delete(ONE)
    tell(one, other)
    assert other.put(ONE, OTHER_SPEC)
    tell(other, one)
    assert one.get(ONE) == OTHER_SPEC


def test_a_rotated_key_comes_to_the_other_edge(edges: tuple[Registry, Registry]) -> None:
    one, other = edges
    one.put(ONE, SPEC)
    tell(one, other)
    key = one.rotate_key(ONE)
    tell(one, other)
    found = other.find(ONE)
    assert found is not None
    assert is_key(key.encode(), found.next_key_hash)
    other.used_next_key(ONE)
    other.learn(ONE, ABOUT)
    until_known(other, ABOUT)
    tell(other, one)
    after = one.find(ONE)
    assert after is not None
    assert is_key(key.encode(), after.spec.key_hash)
    assert (after.next_key_hash, after.about) == ("", ABOUT)


def test_what_a_charger_says_of_itself_does_not_undo_a_registration_made_elsewhere(
    edges: tuple[Registry, Registry],
) -> None:
    one, other = edges
    one.put(ONE, SPEC)
    tell(one, other)
    other.put(ONE, OTHER_SPEC)
    one.learn(ONE, ABOUT)
    until_known(one, ABOUT)
    tell(one, other)
    tell(other, one)
    for each in edges:
        found = each.find(ONE)
        assert found is not None
        assert (found.spec, found.about) == (OTHER_SPEC, ABOUT)


def test_what_has_been_told_is_not_told_again(edges: tuple[Registry, Registry]) -> None:
    one, other = edges
    one.put(ONE, SPEC)
    tell(one, other)
    assert tell(one, other) == 0
    assert tell(other, one) == 0
    rows, sequence = one.changes(0, 10)
    assert len(rows) == 1
    assert one.changes(sequence, 10) == ([], sequence)
    one.put(TWO, SPEC)
    one.put(ONE, OTHER_SPEC)
    rows, last = one.changes(sequence, 1)
    assert [row.charger for row in rows] == [TWO]
    rows, _ = one.changes(last, 10)
    assert [row.charger for row in rows] == [ONE]


def test_who_only_came_to_an_open_edge_is_told_to_nobody(tmp_path: Path) -> None:
    with closing(Registry(tmp_path, is_open=True)) as registry:
        registry.came(ONE)
        registry.learn(ONE, ABOUT)
        until_known(registry, ABOUT)
        assert registry.changes(0, 10) == ([], 0)


def test_an_entry_of_the_file_of_a_new_edge_does_not_undo_a_key_that_was_rotated_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "chargers.json"
    file.write_text(f'[{{"substation": "substation-0", "charger": "CP-1", "key": "{KEY}"}}]')
    with closing(Registry(tmp_path / "first", chargers_file=file)) as first:
        key = first.rotate_key(ONE)
        with closing(Registry(tmp_path / "new", chargers_file=file)) as new:
            tell(new, first)
            tell(first, new)
            for each in (first, new):
                found = each.find(ONE)
                assert found is not None
                assert is_key(key.encode(), found.next_key_hash)


def test_an_edge_whose_file_never_had_an_entry_does_not_delete_it_at_the_others(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine.json", tmp_path / "theirs.json"
    mine.write_text(f'[{{"substation": "substation-0", "charger": "CP-1", "key": "{KEY}"}}]')
    theirs.write_text("[]")
    with closing(Registry(tmp_path / "first", chargers_file=mine)) as first:
        with closing(Registry(tmp_path / "other", chargers_file=theirs)) as other:
            tell(first, other)
            theirs.write_text(" []")
            other._look()
            assert other.get(ONE) is not None
        mine.write_text("[]")
        first._look()
        assert first.get(ONE) is None


def test_deletions_are_forgotten_after_a_month(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Registry(tmp_path)) as registry:
        registry.put(ONE, SPEC)
        registry.delete(ONE)
    monkeypatch.setattr(store, "KEPT_DELETIONS_S", -1.0)
    with closing(Registry(tmp_path)) as registry:
        assert registry.changes(0, 10) == ([], 0)


def test_a_row_goes_over_the_wire_as_it_is_and_one_that_cannot_be_is_refused() -> None:
    row = Registered(ONE, SPEC, API, SPEC.key_hash, ABOUT, 5, 7)
    body = to_wire(row)
    assert from_wire(RowBody.model_validate(body)) == row
    assert from_wire(RowBody.model_validate(body | {"more": 1})) == row
    with pytest.raises(SpecError):
        from_wire(RowBody.model_validate(body | {"charger": "../x"}))
    with pytest.raises(ValueError):
        RowBody.model_validate(body | {"origin": "open"})
