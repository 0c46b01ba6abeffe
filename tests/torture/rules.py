"""What must hold of a round of torture, whatever was killed, frozen, cut off or late in it.

Each rule is a pure function from the evidence to what violates it. The evidence is what clients were told, and what is
in the books of all substations once everything is mended and at rest.

Two ideas decide what a client may rely on. A try whose client had waited enough may still be under way in a gateway,
so it overlaps everything after it; one whose connection broke was in a gateway that died. And the client of a wish
relies on its *last word*: the answer to its latest try, if that try overlapped no other. Of two tries that overlap,
either may be the later one, so either answer may be superseded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from torture.history import Call, Evidence, Quiet, Sample, Session

TOLERANCE_KW = 1e-6
TOLERANCE_KWH = 1e-6
SURE_REFUSALS = ("no-capacity", "no-substation", "draining", "storage-unavailable", "balancer-unavailable")
"""Codes of a 503 that say that this try has surely no session."""
REUSED = "idempotency-key-reused"
ALLOWED = {
    "charge": {201: (), 202: (), 409: ("request-in-progress",), 422: (REUSED,), 503: (), 504: ()},
    "read": {200: (), 503: (), 504: ()},
    "stop": {200: (), 503: (), 504: ()},
}
"""What a valid request about a known car may be answered: statuses, and codes where not every one will do."""
COPIED = ("vehicle_id", "energy_kwh", "max_power_kw", "min_power_kw")
KEPT = (*COPIED, "started_at", "joined_at", "wait_until")
MOST_WAITING = 200
FINAL = ("ended_at", "delivered_kwh")
MOMENTS_S = 3.0  # in which every balancer learns of a key, with nothing broken
NEAR_S = 2.0  # how near to a refusal the looks at a substation's room must be


@dataclass(frozen=True)
class Violation:
    """A broken rule, in one sentence; `vehicle_id` names the wish whose history shows it, if it is one wish's."""

    rule: str
    what: str
    vehicle_id: str = ""


Rule = Callable[[Evidence], Iterator[Violation]]
RULES: list[Rule] = []


def rule(check: Rule) -> Rule:
    RULES.append(check)
    return check


def check(evidence: Evidence) -> list[Violation]:
    """All violations of all rules."""
    return [violation for each in RULES for violation in each(evidence)]


# ---------------------------------------------------------------------- one key, one session


@rule
def at_most_one_lives(evidence: Evidence) -> Iterator[Violation]:
    """In the end no wish has two sessions that charge."""
    for vehicle_id, sessions in evidence.by_vehicle().items():
        living = [name for name, session in sessions.items() if is_live(session)]
        if len(living) > 1:
            yield Violation("at_most_one_lives", f"{' and '.join(living)} charge the same car", vehicle_id)


@rule
def at_most_one_counts(evidence: Evidence) -> Iterator[Violation]:
    """In the end all sessions of a wish but one are superseded, also of those that have ended."""
    for vehicle_id, sessions in evidence.by_vehicle().items():
        counting = [name for name, session in sessions.items() if counts(session)]
        if len(counting) > 1:
            yield Violation("at_most_one_counts", f"{' and '.join(counting)} are not superseded", vehicle_id)


@rule
def superseded_names_the_one_that_counts(evidence: Evidence) -> Iterator[Violation]:
    """From a superseded record one comes, from record to record, to the session of the same wish that counts."""
    for vehicle_id, sessions in evidence.by_vehicle().items():
        for name, session in sessions.items():
            if not counts(session) and (what := _lost_way(name, sessions)):
                yield Violation("superseded_names_the_one_that_counts", what, vehicle_id)


def _lost_way(name: str, sessions: dict[str, Session]) -> str:
    passed = {name}
    while not counts(sessions[name]):
        after = public_id(name, sessions[name].get("superseded_by") or "")
        if after not in sessions:
            return f"{name} is superseded by {after}, which is no session of this car"
        if after in passed:
            return f"{name} is superseded by {after}, and that by {name}"
        passed.add(after)
        name = after
    return ""


# ---------------------------------------------------------------------- what clients were told


@rule
def told_sessions_are_in_the_books(evidence: Evidence) -> Iterator[Violation]:
    """No session is lost that a client was ever told of."""
    books = evidence.by_id()
    for call in evidence.calls:
        if call.told and call.told not in books:
            yield Violation("told_sessions_are_in_the_books", f"{call.told} is in no book", call.vehicle_id)


@rule
def the_last_word_is_kept(evidence: Evidence) -> Iterator[Violation]:
    """What the latest try was told of is never superseded, but for a car that waits and is moved before it begins."""
    books = evidence.by_id()
    for vehicle_id, tries in evidence.tries().items():
        told = moved_to(last_word(tries), books)
        if told in books and not counts(books[told]):
            what = f"{told}, which the latest try was told of, is superseded by {books[told].get('superseded_by')}"
            yield Violation("the_last_word_is_kept", what, vehicle_id)


@rule
def a_stop_holds(evidence: Evidence) -> Iterator[Violation]:
    """A session that was stopped stays as it was then; and no other of its wish lives, if it was the last word."""
    books, sessions, tries = evidence.by_id(), evidence.by_vehicle(), evidence.tries()
    for stop in evidence.calls:
        if stop.operation != "stop" or stop.status != 200 or stop.session is None:
            continue
        vehicle_id, name = stop.vehicle_id, moved_to(stop.session_id, books)
        if is_live(stop.session) or (name in books and is_live(books[name])):
            yield Violation("a_stop_holds", f"{name} was stopped and charges", vehicle_id)
        earlier = [each for each in tries.get(vehicle_id, ()) if each.begun_s < stop.ended_s]
        if len(earlier) == len(tries.get(vehicle_id, ())) and moved_to(last_word(earlier), books) == name:
            for other, session in sessions.get(vehicle_id, {}).items():
                if other != name and is_live(session):
                    yield Violation("a_stop_holds", f"{name} was stopped, and {other} charges the car", vehicle_id)


@rule
def a_refused_car_has_no_session(evidence: Evidence) -> Iterator[Violation]:
    """A wish whose every try was surely refused charges nowhere."""
    sessions = evidence.by_vehicle()
    for vehicle_id, tries in evidence.tries().items():
        if all(is_sure_refusal(each) for each in tries):
            for name, session in sessions.get(vehicle_id, {}).items():
                if counts(session):
                    what = f"every try was refused, and {name} is in the books"
                    yield Violation("a_refused_car_has_no_session", what, vehicle_id)


@rule
def answers_are_of_their_request(evidence: Evidence) -> Iterator[Violation]:
    """What is answered is the session that was asked for, of the car that asked, as it asked for it.

    Or the one that a car has which waited under that id, and was moved.
    """
    books = evidence.by_id()
    for call in evidence.calls:
        session = call.session
        if session is None:
            continue
        asked = (call.session_id, *moves_of(call.session_id, books))
        wrong = session["vehicle_id"] != call.vehicle_id or (call.session_id and session["session_id"] not in asked)
        if wrong:
            what = f"a {call.operation} was answered with {session['session_id']} of {session['vehicle_id']}"
            yield Violation("answers_are_of_their_request", what, call.vehicle_id)
        for name in COPIED if call.wanted else ():
            if name in call.wanted and session[name] != call.wanted[name]:
                what = f"{name} {call.wanted[name]} was asked for, and {session[name]} answered"
                yield Violation("answers_are_of_their_request", what, call.vehicle_id)


@rule
def a_key_is_for_one_request(evidence: Evidence) -> Iterator[Violation]:
    """A key that has a session starts nothing for another body, and a repeat is never taken for another body.

    Unless the other body comes while not every balancer can know of the key: in a storm, or moments after the first.
    """
    for vehicle_id, tries in evidence.tries().items():
        for i, call in enumerate(tries):
            earlier = tries[:i]
            if call.is_changed and call.told and _is_known(evidence, earlier, call):
                what = f"a used key with another body was answered with {call.told}"
                yield Violation("a_key_is_for_one_request", what, vehicle_id)
            if (
                not call.is_changed
                and call.code == REUSED
                and not any(each.is_changed and each.status != 422 for each in earlier)
            ):
                yield Violation("a_key_is_for_one_request", "a repeat was taken for another request", vehicle_id)


def _is_known(evidence: Evidence, earlier: list[Call], call: Call) -> bool:
    """Whether every balancer must know of the key's session when a call comes."""
    was_told = any(each.told and each.ended_s < call.begun_s - MOMENTS_S for each in earlier)
    return was_told and any(quiet.covers(call) for quiet in evidence.quiet)


@rule
def answers_are_of_the_protocol(evidence: Evidence) -> Iterator[Violation]:
    """No 500, nothing that is known is unknown, and a 504 to a charge says with which key it is to be repeated."""
    for call in evidence.calls:
        if call.silence:
            continue
        codes = ALLOWED[call.operation].get(call.status)
        is_wrong = codes is None or (codes and call.code not in codes)
        if is_wrong and not came_too_late(call) and not _is_forgotten(evidence, call):
            what = f"a {call.operation} was answered {call.status} {call.code}"
            yield Violation("answers_are_of_the_protocol", what, call.vehicle_id)
        if (
            call.operation == "charge"
            and call.status == 504
            and (not call.answer_key or _other(call.key, call.answer_key))
        ):
            what = f"a 504 came with the key {call.answer_key!r} to a request with {call.key!r}"
            yield Violation("answers_are_of_the_protocol", what, call.vehicle_id)


def _is_forgotten(evidence: Evidence, call: Call) -> bool:
    """Whether a balancer may have lost its folder, and with it the registration of the substation that is asked for."""
    is_quiet = any(quiet.covers(call) for quiet in evidence.quiet)
    at = call.session_id.rpartition(".")[0]
    return call.status == 404 and at in evidence.by_hand and not is_quiet


def _other(sent: str, answered: str) -> bool:
    return sent not in ("", answered)


# ---------------------------------------------------------------------- in quiet times


@rule
def a_known_car_is_not_placed_anew_in_quiet(evidence: Evidence) -> Iterator[Violation]:
    """With everything mended, the repeat of a key that has a session never starts another."""
    books = evidence.by_id()
    for vehicle_id, tries in evidence.tries().items():
        for quiet in evidence.quiet:
            before = {each.told for each in tries if each.ended_s < quiet.begun_s} - {""}
            if not before:
                continue
            moves = {name for each in before for name in moves_of(each, books)}
            for name in {each.told for each in tries if quiet.covers(each)} - before - moves - {""}:
                if name in books and _begun_wall_s(books[name]) > evidence.begun_wall_s + quiet.begun_s:
                    what = f"{name} was started though {' and '.join(sorted(before))} had been told"
                    yield Violation("a_known_car_is_not_placed_anew_in_quiet", what, vehicle_id)


@rule
def everyone_is_answered_in_the_end(evidence: Evidence) -> Iterator[Violation]:
    """With everything mended, whoever repeats a key comes to know what became of the car."""
    for vehicle_id, tries in evidence.tries().items():
        last = tries[-1]
        is_open = last.silence or last.status == 504 or last.code == "substation-unavailable"
        if is_open and (last.key or last.answer_key) and any(quiet.covers(last) for quiet in evidence.quiet):
            what = f"the last try got {last.silence or last.code} though all was well"
            yield Violation("everyone_is_answered_in_the_end", what, vehicle_id)


@rule
def no_car_is_refused_beside_room(evidence: Evidence) -> Iterator[Violation]:
    """With everything mended, no car is refused for want of capacity while a substation surely had room for it.

    While a car waits anywhere, room is for it.
    """
    charges = [call for call in evidence.calls if call.operation == "charge" and call.wanted]
    for quiet in evidence.quiet:
        for call in charges:
            if quiet.covers(call) and call.code == "no-capacity":
                beside = [
                    each
                    for each in charges
                    if each.begun_s < call.ended_s + NEAR_S and call.begun_s - NEAR_S < each.ended_s
                ]
                rivals_kw = sum(each.wanted["min_power_kw"] for each in beside if each.wanted and each is not call)
                wanted_kw = call.wanted["min_power_kw"] if call.wanted else 0.0
                for name, room_kw in _sure_room_kw(evidence.samples, call, quiet).items():
                    if room_kw > wanted_kw + rivals_kw + TOLERANCE_KW:
                        what = f"{wanted_kw} kW were refused while {name} had {room_kw:.1f} kW free"
                        yield Violation("no_car_is_refused_beside_room", what, call.vehicle_id)


@rule
def no_car_that_may_wait_is_refused(evidence: Evidence) -> Iterator[Violation]:
    """With everything mended, a car that may wait as long as it takes has a place if a substation is large enough."""
    for call in evidence.calls:
        wanted = call.wanted or {}
        if not wanted.get("wait") or "wait_until" in wanted or "departure_time" in wanted or call.code != "no-capacity":
            continue
        for quiet in evidence.quiet:
            if quiet.covers(call):
                for name, seen in _seen_around(evidence.samples, call, quiet).items():
                    least_kw, waiting = min(each.capacity_kw for each in seen), max(each.waiting for each in seen)
                    if least_kw >= wanted["min_power_kw"] and waiting < MOST_WAITING / 2:
                        what = f"it may wait, and was refused; {name} has {least_kw} kW, and {waiting} cars wait there"
                        yield Violation("no_car_that_may_wait_is_refused", what, call.vehicle_id)


def _sure_room_kw(samples: Iterable[Sample], call: Call, quiet: Quiet) -> dict[str, float]:
    """The least room that was seen at each substation around a call; none at all while a car waits anywhere."""
    around = _seen_around(samples, call, quiet)
    if any(each.waiting for seen in around.values() for each in seen):
        return {}
    return {name: min(each.capacity_kw - each.committed_kw for each in seen) for name, seen in around.items()}


def _seen_around(samples: Iterable[Sample], call: Call, quiet: Quiet) -> dict[str, list[Sample]]:
    """What was seen of each substation around a call: of those that were seen before and after it."""
    around: dict[str, list[Sample]] = {}
    begun_s, ended_s = max(quiet.begun_s, call.begun_s - NEAR_S), min(quiet.ended_s, call.ended_s + NEAR_S)
    for sample in samples:
        if begun_s <= sample.asked_s and sample.answered_s <= ended_s:
            around.setdefault(sample.substation, []).append(sample)
    return {
        name: seen
        for name, seen in around.items()
        if seen[0].answered_s < call.begun_s and call.ended_s < seen[-1].asked_s
    }


# ---------------------------------------------------------------------- power and energy


@rule
def capacity_is_never_exceeded(evidence: Evidence) -> Iterator[Violation]:
    """No substation gives more than it may now, or has promised more than it ever had: a new limit breaks promises."""
    for sample in evidence.samples:
        most_kw = evidence.capacity_kw[sample.substation] + TOLERANCE_KW
        if sample.load_kw > sample.capacity_kw + TOLERANCE_KW or sample.committed_kw > most_kw:
            what = (
                f"{sample.substation} gave {sample.load_kw} kW and had promised {sample.committed_kw} kW "
                f"of {sample.capacity_kw} kW at {sample.answered_s:.3f} s"
            )
            yield Violation("capacity_is_never_exceeded", what)


@rule
def a_limit_is_kept(evidence: Evidence) -> Iterator[Violation]:
    """The capacity that was set last is in force from the answer on, also after `kill -9`."""
    for name in evidence.capacity_kw:
        limits = sorted((each for each in evidence.limits if each.substation == name), key=lambda each: each.begun_s)
        samples = [each for each in evidence.samples if each.substation == name]
        for i, limit in enumerate(limits):
            until_s = limits[i + 1].begun_s if i + 1 < len(limits) else evidence.ended_s
            if not limit.is_set:
                continue
            for sample in samples:
                is_within = limit.ended_s < sample.asked_s and sample.answered_s < until_s
                if is_within and sample.capacity_kw != limit.capacity_kw:
                    what = f"{name} was limited to {limit.capacity_kw} kW, and has {sample.capacity_kw} kW"
                    yield Violation("a_limit_is_kept", what)


@rule
def energy_is_plausible(evidence: Evidence) -> Iterator[Violation]:
    """No session got more than it wanted, nor more than its power in its time; no substation gave more than it has."""
    hours = evidence.time_scale / 3600
    end_wall_s = evidence.begun_wall_s + evidence.ended_s
    for name, session in evidence.by_id().items():
        until_s = _wall_s(session["ended_at"]) if session["ended_at"] else end_wall_s
        started_s = _wall_s(session["started_at"]) if session["started_at"] else until_s
        duration_s = until_s - started_s + 0.002  # times on the wire are rounded
        most_kwh = min(session["energy_kwh"], session["max_power_kw"] * duration_s * hours) + TOLERANCE_KWH
        if not 0 <= session["delivered_kwh"] <= most_kwh:
            what = f"{name} got {session['delivered_kwh']} kWh, and {most_kwh:.6f} kWh are the most that is possible"
            yield Violation("energy_is_plausible", what, session["vehicle_id"])
    for substation, sessions in evidence.books.items():
        given_kwh = sum(each["delivered_kwh"] for each in sessions)
        most_kwh = evidence.capacity_kw[substation] * evidence.ended_s * hours + TOLERANCE_KWH
        if given_kwh > most_kwh:
            what = f"{substation} gave {given_kwh:.3f} kWh in a time in which it can give {most_kwh:.3f} kWh"
            yield Violation("energy_is_plausible", what)


@rule
def what_has_ended_stays_as_it_is(evidence: Evidence) -> Iterator[Violation]:
    """Once a client has seen that a session has ended, neither its end nor its energy change any more."""
    books = evidence.by_id()
    for call in evidence.calls:
        seen = call.session
        if seen is None or is_live(seen) or seen["session_id"] not in books:
            continue
        for name in FINAL:
            if books[seen["session_id"]][name] != seen[name]:
                what = f"{seen['session_id']}: {name} was {seen[name]}, and is {books[seen['session_id']][name]}"
                yield Violation("what_has_ended_stays_as_it_is", what, call.vehicle_id)


@rule
def lists_show_every_session(evidence: Evidence) -> Iterator[Violation]:
    """With everything mended, every gateway lists each session of every book, once."""
    books = evidence.by_id()
    for gateway, listed in evidence.listed.items():
        for name in books.keys() - set(listed):
            yield Violation("lists_show_every_session", f"{gateway} does not list {name}", books[name]["vehicle_id"])
        for name, times in Counter(listed).items():
            if name not in books or times > 1:
                yield Violation("lists_show_every_session", f"{gateway} lists {name} {times} times")


# ---------------------------------------------------------------------- files


@rule
def the_books_outlive_a_kill(evidence: Evidence) -> Iterator[Violation]:
    """After `kill -9` of all substations their books are the same, but that what lived may have ended since."""
    after = evidence.by_id_after()
    for name, session in evidence.by_id().items():
        if name not in after:
            yield Violation("the_books_outlive_a_kill", f"{name} is lost", session["vehicle_id"])
            continue
        for field in KEPT if is_live(session) else (*KEPT, *FINAL, "end_reason"):
            if field == "started_at" and session["state"] == "Waiting":
                continue
            if after[name].get(field) != session.get(field):
                what = f"{name}: {field} was {session.get(field)}, and is {after[name].get(field)}"
                yield Violation("the_books_outlive_a_kill", what, session["vehicle_id"])
    for name in after.keys() - evidence.by_id().keys():
        yield Violation("the_books_outlive_a_kill", f"{name} came from nowhere", after[name]["vehicle_id"])


# ---------------------------------------------------------------------- words of the rules


def is_live(session: Session) -> bool:
    return session["ended_at"] is None


def counts(session: Session) -> bool:
    """Whether no other session counts in its place."""
    return session["end_reason"] != "Superseded" and not session.get("superseded_by")


def moves_of(name: str, books: dict[str, Session]) -> list[str]:
    """The sessions that the car of this one had after it, one after the other, if it was moved before it had begun.

    Two balancers may move it, so that a moved session is superseded in its turn, though it had begun.
    """
    found: list[str] = []
    if name not in books or books[name]["started_at"] is not None:
        return found
    while name in books and not counts(books[name]) and name not in found[:-1]:
        name = public_id(name, books[name].get("superseded_by") or "")
        found.append(name)
    return found


def moved_to(name: str, books: dict[str, Session]) -> str:
    """The session that the car of this one has, if it was moved while it waited; else this one."""
    return [name, *moves_of(name, books)][-1]


def public_id(at: str, superseded_by: str) -> str:
    """Whom the record of the session `at` names, as clients know it.

    `../substation-1.x` is a session of the balancer above the substation, `../../west.substation-1.x` of the one above
    that.
    """
    above = at.split(".")[:-1]
    while superseded_by.startswith("../") and above:
        above.pop()
        superseded_by = superseded_by.removeprefix("../")
    return ".".join((*above, superseded_by))


def came_too_late(call: Call) -> bool:
    """Whether it was refused because the car had to leave before it was placed."""
    return call.status == 422 and call.code == "invalid-request" and "departure_time" in (call.wanted or {})


def is_sure_refusal(call: Call) -> bool:
    return call.silence == "refused" or call.status == 422 or (call.status == 503 and call.code in SURE_REFUSALS)


def last_word(tries: list[Call]) -> str:
    """The session that a client may rely on: what its latest try was told, if it overlapped no other. Else nothing."""
    made = sorted((each for each in tries if each.silence != "refused" and each.status != 422), key=lambda t: t.begun_s)
    if not made or any(each.over_s > made[-1].begun_s for each in made[:-1]):
        return ""
    return made[-1].told


def _wall_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _begun_wall_s(session: Session) -> float:
    """Since when the car has it: since it joined the list, or began to charge."""
    return _wall_s(session.get("joined_at") or session["started_at"])


def count(violations: Iterable[Violation]) -> Counter[str]:
    """How often each rule is broken."""
    return Counter(each.rule for each in violations)
