"""Each rule by hand-made histories: what it lets pass, and what breaks it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from torture.history import Call, Event, Evidence, Limit, Line, Quiet, Recorder, Sample, Session, load, save
from torture.retelling import retell
from torture.rules import RULES, Violation, check

CAR, OTHER = "client-0-car-1", "client-0-car-2"
WISH = {"vehicle_id": CAR, "energy_kwh": 10.0, "max_power_kw": 11.0, "min_power_kw": 4.0}
ENDED = ("ended_at", "end_reason", "superseded_by")
PATIENT = {**WISH, "wait": True}
FIRST, SECOND = "substation-0.a", "substation-1.b"


def session(name: str = FIRST, **changes: Any) -> Session:
    """As clients see it."""
    found = {
        "session_id": name,
        "substation": name.partition(".")[0],
        "state": "Charging",
        "delivered_kwh": 0.01,
        "power_kw": 11.0,
        "started_at": "2026-01-01T00:00:10.000Z",
        "ended_at": None,
        "departure_time": None,
        "end_reason": None,
        **WISH,
        **changes,
    }
    return {**found, "state": "Idle"} if found["ended_at"] else found


def ended(name: str = FIRST, reason: str = "Stopped", **changes: Any) -> Session:
    return session(name, ended_at="2026-01-01T00:00:20.000Z", end_reason=reason, **changes)


def superseded(name: str, by: str) -> Session:
    return ended(name, "Superseded", superseded_by=f"../{by}")


def waiting(name: str = FIRST, **changes: Any) -> Session:
    nothing = {"started_at": None, "delivered_kwh": 0.0, "power_kw": 0.0}
    return session(name, state="Waiting", joined_at="2026-01-01T00:00:02.000Z", **{**nothing, **changes})


def moved(name: str, to: str) -> Session:
    return {**waiting(name), **{each: superseded(name, to)[each] for each in ("state", *ENDED)}}


def charge(begun_s: float, told: Session | None = None, *, lasts_s: float = 0.1, **changes: Any) -> Call:
    answer: dict[str, Any] = {"status": 201, "session": told} if told else {"status": 503, "code": "no-capacity"}
    if changes.get("silence"):
        answer = {}
    fields: dict[str, Any] = {"key": "key-1", "wanted": WISH, "vehicle_id": CAR, **answer, **changes}
    return Call("client-0", "charge", "gateway-0", begun_s=begun_s, ended_s=begun_s + lasts_s, **fields)


def unknown(begun_s: float, **changes: Any) -> Call:
    return charge(begun_s, status=504, code="outcome-unknown", **{"answer_key": "key-1", **changes})


def stop(begun_s: float, found: Session) -> Call:
    name = found["session_id"]
    return Call(
        "client-0", "stop", "gateway-0", CAR, begun_s, begun_s + 0.1, status=200, session=found, session_id=name
    )


def read(begun_s: float, found: Session | None = None, **changes: Any) -> Call:
    fields = {"status": 200, "session": found, "session_id": FIRST, **changes}
    return Call("client-0", "read", "gateway-0", CAR, begun_s, begun_s + 0.1, **fields)


def evidence(*lines: Line, books: tuple[Session, ...] = (), **rest: Any) -> Evidence:
    """Of a round that began with 2026 and lasted a minute."""
    kept: dict[str, list[Session]] = {"substation-0": [], "substation-1": [], "substation-2": []}
    for each in books:
        at, _, local_id = each["session_id"].rpartition(".")
        kept.setdefault(at, []).append({**each, "session_id": local_id})
    defaults = {"capacity_kw": dict.fromkeys(kept, 100.0), "begun_wall_s": 1767225600.0, "ended_s": 60.0}
    return Evidence.of(lines, **{"books": kept, "books_after": kept, **defaults, **rest})


def broken(found: Evidence) -> set[str]:
    return {each.rule for each in check(found)}


def sample(at_s: float, **changes: float) -> Sample:
    powers_kw = {"capacity_kw": 100.0, "load_kw": 90.0, "committed_kw": 50.0, **changes}
    return Sample(at_s, at_s + 0.01, "substation-0", **powers_kw)


ALL_DAY = [Quiet(0.0, 60.0)]

FINE = {
    "a car that is told of one session, asks again, and stops it": evidence(
        charge(1, session()),
        charge(2, session()),
        stop(3, ended()),
        charge(4, ended()),
        books=(ended(),),
        quiet=ALL_DAY,
    ),
    "two sessions of one key, of which the one of the latest try is left": evidence(
        charge(1, session()),
        charge(2, session(SECOND)),
        read(3, superseded(FIRST, SECOND)),
        books=(superseded(FIRST, SECOND), session(SECOND)),
    ),
    "three sessions of one key, each superseded by the next": evidence(
        books=(superseded(FIRST, SECOND), superseded(SECOND, "substation-2.c"), session("substation-2.c"))
    ),
    "two sessions in one region, and one in another": evidence(
        books=(
            ended("west.substation-0.a", "Superseded", superseded_by="../substation-1.b"),
            ended("west.substation-1.b", "Superseded", superseded_by="../../east.substation-2.c"),
            session("east.substation-2.c"),
        )
    ),
    "two tries at once that are told of two sessions": evidence(
        charge(1, session(), lasts_s=1),
        charge(1.5, session(SECOND)),
        books=(session(), superseded(SECOND, FIRST)),
    ),
    "a try that its client left, and which a gateway made after the next one": evidence(
        charge(1, silence="timeout"),
        charge(2, session()),
        books=(superseded(FIRST, SECOND), session(SECOND)),
    ),
    "a stop while a later try was already placed elsewhere": evidence(
        charge(1, session()),
        unknown(2),
        stop(3, ended()),
        books=(superseded(FIRST, SECOND), session(SECOND)),
    ),
    "a car that was refused, and one that came too late": evidence(
        charge(1), charge(2, status=422, code="invalid-request", wanted={**WISH, "departure_time": "2026-01-01"})
    ),
    "a try with an unknown outcome that has a session": evidence(unknown(1), books=(session(),)),
    "a used key with another body": evidence(
        charge(1, session()), charge(2, status=422, code="idempotency-key-reused", is_changed=True), books=(session(),)
    ),
    "a used key with another body moments after the first, and the first again": evidence(
        charge(1, session(SECOND)),
        charge(1.2, session(), is_changed=True),
        charge(2, status=422, code="idempotency-key-reused"),
        quiet=ALL_DAY,
        books=(session(), superseded(SECOND, FIRST)),
    ),
    "an unknown outcome that a repeat makes known, and one that no one can repeat": evidence(
        unknown(1),
        charge(2, session()),
        charge(3, silence="broken", vehicle_id=OTHER, key=""),
        quiet=ALL_DAY,
        books=(session(),),
    ),
    "a used key with another body in a storm": evidence(
        charge(1, session(SECOND)),
        charge(9, session(), is_changed=True),
        books=(session(), superseded(SECOND, FIRST)),
    ),
    "a car refused by a substation that is full": evidence(
        sample(1, committed_kw=97), charge(5), sample(6, committed_kw=97), quiet=ALL_DAY
    ),
    "a car refused beside room that others may have taken meanwhile": evidence(
        sample(4, committed_kw=90),
        charge(5),
        charge(5, wanted={**WISH, "min_power_kw": 7.0}),
        sample(6, committed_kw=90),
        quiet=ALL_DAY,
    ),
    "a session that lived and ended while its substation was down": evidence(
        books=(session(),), books_after={"substation-0": [{**ended(reason="PowerLoss"), "session_id": "a"}]}
    ),
    "a limit below what was promised": evidence(
        Limit(1, 1.1, "substation-0", 40.0, is_set=True),
        sample(2, capacity_kw=40.0, load_kw=40.0, committed_kw=90.0),
        Limit(3, 4, "substation-0", 50.0, is_set=False),
        sample(5, capacity_kw=50.0, load_kw=50.0),
    ),
    "a session at a substation whose registration was lost with a folder": evidence(
        read(1, status=404, code="not-found"), by_hand=["substation-0"]
    ),
    "a car that waits, and begins to charge after a kill": evidence(
        charge(1, waiting(), status=202, wanted=PATIENT),
        books=(waiting(),),
        books_after={"substation-0": [{**session(joined_at="2026-01-01T00:00:02.000Z"), "session_id": "a"}]},
    ),
    "a car that waits, is moved, looked at, and stopped under its first id": evidence(
        charge(1, waiting(), status=202, wanted=PATIENT),
        read(2, session(SECOND)),
        dataclasses.replace(stop(3, ended(SECOND)), session_id=FIRST),
        books=(moved(FIRST, SECOND), ended(SECOND)),
    ),
    "a car that two balancers have moved": evidence(
        charge(1, waiting(), status=202, wanted=PATIENT),
        read(2, session("substation-2.c")),
        books=(moved(FIRST, SECOND), superseded(SECOND, "substation-2.c"), session("substation-2.c")),
    ),
    "a car that is moved in quiet, and repeats": evidence(
        charge(1, waiting(), status=202, wanted=PATIENT),
        charge(8, session(SECOND), wanted=PATIENT),
        quiet=[Quiet(5, 60)],
        books=(moved(FIRST, SECOND), session(SECOND)),
    ),
    "a car that is refused while others wait, beside power that is kept for them": evidence(
        dataclasses.replace(sample(4), waiting=1), charge(5), dataclasses.replace(sample(6), waiting=1), quiet=ALL_DAY
    ),
    "a car that may wait, and is refused as none is large enough": evidence(
        *(sample(at_s, capacity_kw=3.0, load_kw=3.0, committed_kw=3.0) for at_s in (4, 6)),
        charge(5, wanted=PATIENT),
        quiet=ALL_DAY,
    ),
    "a list of all there is": evidence(
        books=(session(), ended(SECOND, vehicle_id="x")), listed={"gateway-0": [SECOND, FIRST]}
    ),
    "a substation that gives all it has": evidence(sample(1, load_kw=100.0, committed_kw=100.0)),
}

BROKEN = {
    "at_most_one_lives": evidence(books=(session(), session(SECOND))),
    "at_most_one_counts": evidence(books=(ended(), session(SECOND))),
    "superseded_names_the_one_that_counts": evidence(books=(superseded(FIRST, "substation-1.gone"),)),
    "told_sessions_are_in_the_books": evidence(charge(1, session())),
    "the_last_word_is_kept": evidence(
        charge(1, session(SECOND)),
        charge(2, session()),
        books=(superseded(FIRST, SECOND), session(SECOND)),
    ),
    "a_stop_holds": evidence(charge(1, session()), stop(2, ended()), books=(session(),)),
    "a_refused_car_has_no_session": evidence(charge(1), books=(session(),)),
    "answers_are_of_their_request": evidence(charge(1, session(vehicle_id="another")), books=(session(),)),
    "a_key_is_for_one_request": evidence(
        charge(1, session(SECOND)),
        charge(5, session(), is_changed=True),
        quiet=ALL_DAY,
        books=(session(), superseded(SECOND, FIRST)),
    ),
    "answers_are_of_the_protocol": evidence(read(1, status=500, code="internal-error")),
    "a_known_car_is_not_placed_anew_in_quiet": evidence(
        charge(1, session()),
        charge(8, session(SECOND)),
        quiet=[Quiet(5, 60)],
        books=(superseded(FIRST, SECOND), session(SECOND)),
    ),
    "everyone_is_answered_in_the_end": evidence(charge(1, session()), unknown(2), quiet=ALL_DAY, books=(session(),)),
    "no_car_that_may_wait_is_refused": evidence(
        sample(4, committed_kw=100), charge(5, wanted=PATIENT), sample(6, committed_kw=100), quiet=ALL_DAY
    ),
    "no_car_is_refused_beside_room": evidence(sample(4), charge(5), sample(6), quiet=ALL_DAY),
    "capacity_is_never_exceeded": evidence(sample(1, load_kw=100.1)),
    "a_limit_is_kept": evidence(Limit(1, 1.1, "substation-0", 40.0, is_set=True), sample(2)),
    "lists_show_every_session": evidence(books=(session(),), listed={"gateway-0": [FIRST], "gateway-1": []}),
    "energy_is_plausible": evidence(books=(session(delivered_kwh=10.1),)),
    "what_has_ended_stays_as_it_is": evidence(
        charge(1, session()), stop(2, ended()), books=(ended(delivered_kwh=0.02),)
    ),
    "the_books_outlive_a_kill": evidence(books=(session(),), books_after={}),
}

MORE_THAT_IS_BROKEN = {
    "a car that was let wait, and is forgotten": (
        "told_sessions_are_in_the_books",
        evidence(charge(1, waiting(), status=202, wanted=PATIENT)),
    ),
    "a car that waits at one substation and charges at another": (
        "at_most_one_lives",
        evidence(books=(waiting(), session(SECOND))),
    ),
    "a car that was stopped while it waited, and charges where it was moved to": (
        "a_stop_holds",
        evidence(
            charge(1, waiting(), status=202, wanted=PATIENT),
            stop(2, ended(started_at=None)),
            books=(moved(FIRST, SECOND), session(SECOND)),
        ),
    ),
    "a car that charged when it was superseded by a move": (
        "the_last_word_is_kept",
        evidence(charge(1, waiting(), status=202), books=(superseded(FIRST, SECOND), session(SECOND))),
    ),
    "a car that waited, and is not on the list after a kill": (
        "the_books_outlive_a_kill",
        evidence(books=(waiting(),), books_after={}),
    ),
    "energy for a car that has never begun": ("energy_is_plausible", evidence(books=(waiting(delivered_kwh=0.1),))),
    "a stop, and another session of the key lives on": (
        "a_stop_holds",
        evidence(charge(1, session()), stop(2, ended()), books=(superseded(FIRST, SECOND), session(SECOND))),
    ),
    "a stop that is answered with a session that charges": (
        "a_stop_holds",
        evidence(charge(1, session()), stop(2, session()), books=(ended(),)),
    ),
    "two records that name each other": (
        "superseded_names_the_one_that_counts",
        evidence(books=(superseded(FIRST, SECOND), superseded(SECOND, FIRST))),
    ),
    "a superseded record that names a session of another car": (
        "superseded_names_the_one_that_counts",
        evidence(books=(superseded(FIRST, SECOND), session(SECOND, vehicle_id="another"))),
    ),
    "the session of another car in the answer to a read": (
        "answers_are_of_their_request",
        evidence(read(1, session(SECOND)), books=(session(SECOND),)),
    ),
    "an answer with another energy than the request's": (
        "answers_are_of_their_request",
        evidence(charge(1, session(energy_kwh=11.0)), books=(session(),)),
    ),
    "a repeat that is taken for another request": (
        "a_key_is_for_one_request",
        evidence(charge(1, status=422, code="idempotency-key-reused")),
    ),
    "a 504 without a key": ("answers_are_of_the_protocol", evidence(unknown(1, key="", answer_key=""))),
    "a 504 with another key": ("answers_are_of_the_protocol", evidence(unknown(1, answer_key="key-2"))),
    "a session that is told of and then unknown": (
        "answers_are_of_the_protocol",
        evidence(read(1, status=404, code="not-found")),
    ),
    "a repeat for which no one listens though all is well": (
        "everyone_is_answered_in_the_end",
        evidence(charge(1, silence="refused"), quiet=ALL_DAY),
    ),
    "a session that is unknown in quiet": (
        "answers_are_of_the_protocol",
        evidence(read(1, status=404, code="not-found"), by_hand=["substation-0"], quiet=ALL_DAY),
    ),
    "a session that is listed twice": (
        "lists_show_every_session",
        evidence(books=(session(),), listed={"gateway-0": [FIRST, FIRST]}),
    ),
    "more power than the limit allows": (
        "capacity_is_never_exceeded",
        evidence(sample(1, capacity_kw=40.0, load_kw=41.0)),
    ),
    "more promised than there is": ("capacity_is_never_exceeded", evidence(sample(1, committed_kw=101.0))),
    "more energy than the power allows in that time": (
        "energy_is_plausible",
        evidence(books=(ended(delivered_kwh=0.04),)),
    ),
    "a substation that gave more than it can in that time": (
        "energy_is_plausible",
        evidence(
            books=(session(), session("substation-0.c")),
            capacity_kw={"substation-0": 1.0, "substation-1": 1.0, "substation-2": 1.0},
        ),
    ),
    "an end that a kill has undone": (
        "the_books_outlive_a_kill",
        evidence(books=(ended(),), books_after={"substation-0": [{**session(), "session_id": "a"}]}),
    ),
    "a session that came from nowhere": (
        "the_books_outlive_a_kill",
        evidence(books_after={"substation-0": [{**session(), "session_id": "a"}]}),
    ),
}


@pytest.mark.parametrize("story", FINE)
def test_is_fine(story: str) -> None:
    assert check(FINE[story]) == []


@pytest.mark.parametrize("rule", BROKEN)
def test_is_broken(rule: str) -> None:
    assert rule in broken(BROKEN[rule])


@pytest.mark.parametrize("story", MORE_THAT_IS_BROKEN)
def test_is_broken_too(story: str) -> None:
    rule, found = MORE_THAT_IS_BROKEN[story]
    assert rule in broken(found)


def test_every_rule_has_a_history_that_breaks_it() -> None:
    assert BROKEN.keys() == {each.__name__ for each in RULES}


def test_a_violation_is_retold_with_the_calls_the_faults_and_the_books() -> None:
    found = evidence(
        Event(0.5, "kill substation-1"),
        charge(1, session()),
        charge(2, session(SECOND)),
        Event(30.0, "kill gateway-0"),
        books=(session(), session(SECOND)),
    )
    told = retell(found, Violation("at_most_one_lives", "two charge", CAR))

    assert told.splitlines() == [
        "at_most_one_lives: two charge",
        "        0.500            ! kill substation-1",
        "        1.000-    1.100  client-0 charge 10.0 kWh key key-1 by gateway-0: 201 substation-0.a "
        "Charging since 00:00:10.000, 0.0100 kWh",
        "        2.000-    2.100  client-0 charge 10.0 kWh key key-1 by gateway-0: 201 substation-1.b "
        "Charging since 00:00:10.000, 0.0100 kWh",
        "    in the books: substation-0.a Charging since 00:00:10.000, 0.0100 kWh",
        "    in the books: substation-1.b Charging since 00:00:10.000, 0.0100 kWh",
    ]


def test_evidence_is_read_as_it_was_saved(tmp_path: Path) -> None:
    before = evidence(
        charge(1, session()), Event(2, "kill"), sample(3), books=(session(),), quiet=ALL_DAY, by_hand=["substation-0"]
    )
    recorder = Recorder(tmp_path / "history.jsonl")
    for line in (*before.calls, *before.events, *before.samples):
        recorder.add(line)
    recorder.close()
    save(before, tmp_path)

    assert dataclasses.asdict(load(tmp_path)) == dataclasses.asdict(before)
