"""How much an owner has in the fleet, whatever becomes of sessions, members and cars under way."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from smartgrid.balancer.placement.directory import Directory
from smartgrid.balancer.placement.fleet_use import FleetUse
from smartgrid.domain.quotas import Quota
from smartgrid.protocol.keys import KeyEntry, KeyPage, OwnUse, digest

ANN, BOB = "A" * 22, "B" * 22
OWNERS = (ANN, BOB)


def entry(name: str, owner: str | None = ANN, power_kw: float = 11, number: int = 1) -> KeyEntry:
    """A session that charges; it has ended where `power_kw` is 0."""
    use = OwnUse(owner, power_kw) if owner is not None and power_kw else None
    return KeyEntry(digest(name, owner), (number,), name, use=use)


def allows(use: FleetUse, owner: str, power_kw: float = 1, without: Iterable[str] = ()) -> bool:
    """Whether the owner might have this too; nothing is left of the question."""
    granted = use.claim("asked", OwnUse(owner, power_kw), lambda member: member not in without)
    use.release("asked", owner)
    return granted


def test_sessions_of_all_members_count_until_they_end() -> None:
    use = FleetUse(Quota(sessions=2))
    directory = Directory(use=use)
    directory.note("one", entry("x"))
    directory.read("two", KeyPage([entry("y"), entry("z", BOB), entry("nobody's", None)], 1, False), directory.mark())
    assert (allows(use, ANN), allows(use, BOB)) == (False, True)

    directory.read("two", KeyPage([entry("y", power_kw=0)], 2, False), directory.mark())

    assert allows(use, ANN)


def test_an_end_is_not_taken_back_by_what_was_told_before() -> None:
    use = FleetUse(Quota(sessions=1))
    directory = Directory(use=use)
    directory.read("one", KeyPage([entry("x", power_kw=0)], 2, False), directory.mark())

    directory.note("one", entry("x", number=5))

    assert allows(use, ANN)


def test_a_superseded_session_does_not_count() -> None:
    use = FleetUse(Quota(sessions=1))
    directory = Directory(use=use)
    directory.note("one", entry("x"))
    assert not allows(use, ANN)

    directory.note_superseded("one.x")

    assert allows(use, ANN)


def test_what_is_at_a_member_that_is_away_does_not_count_and_counts_again_when_it_is_back() -> None:
    use = FleetUse(Quota(power_kw=20))
    directory = Directory(use=use)
    directory.note("one", entry("x"))
    directory.note("two", entry("y", power_kw=5))

    assert not allows(use, ANN, 11)
    assert allows(use, ANN, 11, without=["one"])
    assert not allows(use, ANN, 11)


def test_a_member_that_lost_its_file_or_was_forgotten_takes_its_sessions_along() -> None:
    use = FleetUse(Quota(sessions=1))
    directory = Directory(use=use)
    for lose in (
        lambda: directory.read("one", KeyPage([], 1, False, reset=True), directory.mark()),
        lambda: directory.forget_member("one"),
        lambda: directory.drop("one.x"),
    ):
        directory.note("one", entry("x"))
        assert not allows(use, ANN)
        lose()
        assert allows(use, ANN)


def test_cars_on_their_way_count_until_they_are_placed_or_given_up() -> None:
    use = FleetUse(Quota(sessions=2))
    directory = Directory(use=use)
    wanted = OwnUse(ANN, 11)

    assert use.claim(digest("x", ANN), wanted, lambda _: True)
    assert use.claim(digest("y", ANN), wanted, lambda _: True)
    assert not allows(use, ANN)
    use.release(digest("y", ANN), ANN)
    assert allows(use, ANN)
    directory.note("one", entry("x"))  # the claim has become a session, and is not counted beside it
    assert allows(use, ANN)
    directory.note("one", entry("y"))
    assert not allows(use, ANN)


def test_without_a_quota_nothing_is_counted_and_all_is_allowed() -> None:
    use = FleetUse()
    directory = Directory(use=use)
    for i in range(100):
        directory.note("one", entry(f"{i}"))
    assert allows(use, ANN)
    assert not use._by_owner


NAMES = st.sampled_from([f"s{i}" for i in range(6)])
STEPS = st.one_of(
    st.tuples(st.just("note"), NAMES, st.sampled_from([0, 3.7, 11])),
    st.tuples(st.just("read"), NAMES, st.sampled_from([0, 3.7, 11])),
    st.tuples(st.just("reset"), NAMES, st.sampled_from([0, 11])),
    st.tuples(st.sampled_from(["superseded", "drop", "forget"]), NAMES, st.just(0)),
)


@given(st.lists(STEPS, max_size=40))
def test_what_is_counted_is_what_the_directory_has(steps: list[tuple[str, str, float]]) -> None:
    """Each session is of one owner and one member, by its name; one in three is nobody's."""
    use = FleetUse(Quota(sessions=100))
    directory = Directory(use=use, max_of_member=3)
    for what, name, power_kw in steps:
        i = int(name[1:])
        owner, member = (*OWNERS, None)[i % 3], ("one", "two")[i // 3]
        told = entry(name, owner, power_kw)
        if what == "note":
            directory.note(member, told)
        elif what in ("read", "reset"):
            directory.read(member, KeyPage([told], 1, False, reset=what == "reset"), directory.mark())
        elif what == "superseded":
            directory.note_superseded(f"{member}.{name}")
        elif what == "drop":
            directory.drop(f"{member}.{name}")
        else:
            directory.forget_member(member)
        entries = directory.page(0, reset=True).entries
        for each in OWNERS:
            there = [(e.session_id.split(".")[0], e.use.power_kw) for e in entries if e.use and e.use.owner == each]
            counted = dict(use._by_owner.get(each, ()))
            assert {member: used.sessions for member, used in counted.items()} == {
                member: sum(1 for where, _ in there if where == member) for member in {where for where, _ in there}
            }
            total_kw = sum(kw for _, kw in there)
            exactly = FleetUse(Quota(power_kw=total_kw + 1))
            exactly._by_owner = use._by_owner
            assert allows(exactly, each, 1)
            assert not allows(exactly, each, 1.01)
