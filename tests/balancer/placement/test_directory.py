"""What a balancer knows of keys: pages of members' logs come in, with all that can happen to them on the way."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from smartgrid.balancer.placement.directory import Directory
from smartgrid.protocol.keys import KeyEntry, KeyLog, KeyPage
from smartgrid.protocol.numbers import Number

KEY, OTHER = "a" * 22, "b" * 22


def entry(session_id: str, number: Number, digest: str = KEY, *, superseded: bool = False) -> KeyEntry:
    return KeyEntry(digest, number, session_id, superseded)


def page(*entries: KeyEntry, reset: bool = False, more: bool = False, position: int = 1) -> KeyPage:
    return KeyPage(list(entries), position, more, reset)


def known(directory: Directory, digest: str = KEY) -> set[str]:
    return {each.session_id for each in directory.entries(digest)}


def test_a_key_is_where_its_members_page_says() -> None:
    directory = Directory()

    directory.read("one", page(entry("x", (5,))), directory.mark())

    assert directory.holder(KEY) == entry("one.x", (5,))
    assert directory.holder(OTHER) is None


def test_of_several_sessions_the_one_with_the_greatest_number_counts() -> None:
    directory = Directory()
    directory.note("one", entry("x", (5, 0, 9)))
    directory.note("two", entry("y", (5, 1, 9)))
    directory.note("three", entry("z", (4, 7, 9)))

    assert directory.holder(KEY) == entry("two.y", (5, 1, 9))


def test_a_superseded_session_does_not_count_whatever_its_number() -> None:
    directory = Directory()
    directory.note("one", entry("x", (5,)))
    directory.note("two", entry("y", (9,)))

    directory.note_superseded("two.y")

    assert directory.holder(KEY) == entry("one.x", (5,))


def test_older_news_takes_nothing_back() -> None:
    """A page that was made before this process's own placement raised the number comes after it."""
    directory = Directory()
    directory.note("one", entry("x", (9,)))
    directory.note_superseded("one.x")

    directory.read("one", page(entry("x", (5,))), directory.mark())

    assert directory.entries(KEY) == [entry("one.x", (9,), superseded=True)]


def test_what_a_restarted_member_does_not_name_again_is_gone_after_its_last_page() -> None:
    directory = Directory()
    directory.read("one", page(entry("lost", (5,)), entry("kept", (6,), OTHER)), directory.mark())

    directory.read("one", page(entry("new", (7,)), reset=True, more=True), directory.mark())
    assert known(directory) == {"one.lost", "one.new"}, "the next page may name it"
    directory.read("one", page(entry("kept", (6,), OTHER)), directory.mark())

    assert known(directory) == {"one.new"}
    assert known(directory, OTHER) == {"one.kept"}


def test_what_was_placed_while_the_first_page_was_on_its_way_is_not_gone() -> None:
    directory = Directory()
    asked_at = directory.mark()
    directory.note("one", entry("just-placed", (9,)))

    directory.read("one", page(reset=True), asked_at)

    assert known(directory) == {"one.just-placed"}


def test_a_reset_that_is_interrupted_by_another_takes_only_what_the_last_one_leaves_out() -> None:
    directory = Directory()
    directory.read("one", page(entry("x", (5,))), directory.mark())
    directory.read("one", page(reset=True, more=True), directory.mark())

    directory.read("one", page(entry("x", (5,)), reset=True), directory.mark())

    assert known(directory) == {"one.x"}


def test_a_members_reset_leaves_the_others_alone() -> None:
    directory = Directory()
    directory.note("one", entry("x", (5,)))

    directory.read("two", page(reset=True), directory.mark())

    assert known(directory) == {"one.x"}


def test_two_members_with_a_session_contest_the_key_until_one_is_superseded() -> None:
    directory = Directory()
    directory.note("one", entry("x", (5,)))
    assert directory.contested() == []
    directory.note("two", entry("y", (9,)))
    assert directory.contested() == [KEY]

    directory.note_superseded("one.x")

    assert directory.contested() == []


def test_two_sessions_of_one_member_are_its_own_matter() -> None:
    """A region settles between its substations."""
    directory = Directory()
    directory.note("west", entry("one.x", (5,)))
    directory.note("west", entry("two.y", (9,)))

    assert directory.contested() == []


def test_a_forgotten_member_contests_nothing_and_holds_nothing() -> None:
    directory = Directory()
    directory.note("one", entry("x", (9,)))
    directory.note("two", entry("y", (5,)))

    directory.forget_member("one")

    assert directory.holder(KEY) == entry("two.y", (5,))
    assert directory.contested() == []
    assert not directory.has_keys_of("one")
    assert directory.has_keys_of("two")


def test_a_session_of_another_key_than_before_is_not_believed() -> None:
    directory = Directory()
    directory.note("one", entry("x", (5,)))

    directory.note("one", entry("x", (9,), OTHER))

    assert directory.holder(OTHER) is None
    assert directory.holder(KEY) == entry("one.x", (5,))


def test_a_member_that_tells_too_much_loses_its_oldest() -> None:
    directory = Directory(max_of_member=3, max_in_all=100)
    directory.note("two", entry("y", (1,), "other" + "o" * 17))
    for number in range(5):
        directory.note("one", entry(f"x{number}", (number + 1,), f"{number}" * 22))

    assert len(directory) == 4
    assert directory.holder("0" * 22) is None
    assert directory.holder("4" * 22) is not None


def test_in_all_the_member_with_the_most_pays() -> None:
    directory = Directory(max_of_member=100, max_in_all=5)
    directory.note("small", entry("y", (1,), "y" * 22))
    for number in range(20):
        directory.note("large", entry(f"x{number}", (number + 1,), chr(97 + number) * 2 + "z" * 20))

    assert len(directory) == 5
    assert directory.holder("y" * 22) is not None


def test_a_change_is_told_and_what_changes_nothing_is_not() -> None:
    told = []
    directory = Directory(lambda: told.append(1))
    directory.read("one", page(entry("x", (5,))), 0)
    assert len(told) == 1

    directory.read("one", page(entry("x", (5,))), 0)

    assert len(told) == 1


def test_a_balancer_in_front_reads_the_keys_of_all_members_page_by_page() -> None:
    region, top = Directory(), Directory()
    for number in range(4500):
        region.note(f"substation-{number % 3}", entry(f"x{number}", (number + 1,), f"{number:022}"))

    position, pages, reset, more = 0, 0, True, True
    while more:
        told = region.page(position, reset=reset)
        top.read("west", told, top.mark())
        position, more, reset, pages = told.position, told.more, False, pages + 1

    assert pages == 3
    assert len(top) == 4500
    assert top.holder(f"{7:022}") == entry("west.substation-1.x7", (8,), f"{7:022}")


@given(st.integers(0, 2**32))
def test_after_the_last_page_it_knows_just_what_the_member_has_however_it_got_there(seed: int) -> None:
    """Against a member that starts, raises, supersedes and forgets sessions, restarts and loses its file."""
    rng, directory, log = random.Random(seed), Directory(), KeyLog()
    position, epoch, known_epoch, sessions = 0, 1, 0, dict[str, KeyEntry]()
    for step in range(60):
        match rng.randrange(6):
            case 0:
                started = entry(f"s{step}", (step + 1,), f"{rng.randrange(9):022}")
                sessions[started.session_id] = started
                log.note(started)
            case 1 if sessions:
                raised = sessions[rng.choice(sorted(sessions))]._replace(number=(step + 1,))
                sessions[raised.session_id] = raised
                log.note(raised)
            case 2 if sessions:
                ended = sessions[rng.choice(sorted(sessions))]._replace(superseded=True)
                sessions[ended.session_id] = ended
                log.note(ended)
            case 3:
                epoch, log = epoch + 1, KeyLog()
                if rng.random() < 0.3:
                    sessions.clear()
                for each in sessions.values():
                    log.note(each)
            case _:
                reset = known_epoch != epoch
                told = log.since(0 if reset else position, limit=rng.randrange(1, 4))._replace(reset=reset)
                directory.read("one", told, directory.mark())
                position, known_epoch = told.position, epoch
    more, reset = True, known_epoch != epoch
    while more:
        told = log.since(0 if reset else position)._replace(reset=reset)
        directory.read("one", told, directory.mark())
        position, more, reset = told.position, told.more, False

    found = {each.session_id for key in range(9) for each in directory.entries(f"{key:022}")}
    assert found == {f"one.{session_id}" for session_id in sessions}
    for each in sessions.values():
        assert each._replace(session_id=f"one.{each.session_id}") in directory.entries(each.digest)
