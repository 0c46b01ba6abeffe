"""What happened to one car, for people to read: what broke a rule is found in a few lines of a long history."""

from __future__ import annotations

from collections.abc import Iterator

from torture.history import Call, Evidence, Session
from torture.rules import Violation, public_id

MARGIN_S = 3.0  # faults that far around a car's calls are told with them


def retell(evidence: Evidence, violation: Violation) -> str:
    """The violation, then the calls of its car and the faults around them, then its sessions in the books."""
    lines = [f"{violation.rule}: {violation.what}"]
    if violation.vehicle_id:
        lines += [f"    {line}" for line in _story(evidence, violation.vehicle_id)]
    return "\n".join(lines)


def _story(evidence: Evidence, vehicle_id: str) -> Iterator[str]:
    calls = [each for each in evidence.calls if each.vehicle_id == vehicle_id]
    told = [(each.begun_s, _call(each)) for each in calls]
    if calls:
        first_s, last_s = min(each.begun_s for each in calls), max(each.ended_s for each in calls)
        near = [each for each in evidence.events if first_s - MARGIN_S <= each.at_s <= last_s + MARGIN_S]
        told += [(each.at_s, f"{each.at_s:9.3f}            ! {each.what}") for each in near]
    yield from (line for _, line in sorted(told))
    for name, session in evidence.by_vehicle().get(vehicle_id, {}).items():
        yield f"in the books: {name} {_session(session, name)}"


def _call(call: Call) -> str:
    about = f" {call.session_id}" if call.session_id else ""
    body = f" {call.wanted['energy_kwh']} kWh" if call.wanted else ""
    key = f" key {call.key}" if call.key else ""
    changed = " (another body)" if call.is_changed else ""
    answer = call.silence or f"{call.status} {call.code}".strip()
    found = f" {call.session['session_id']} {_session(call.session, '')}" if call.session else ""
    given = f" with key {call.answer_key}" if call.answer_key else ""
    return (
        f"{call.begun_s:9.3f}-{call.ended_s:9.3f}  {call.client} {call.operation}{about}{body}{key}{changed} "
        f"by {call.gateway}: {answer}{given}{found}"
    )


def _session(session: Session, at: str) -> str:
    ended = f", {session['end_reason']} at {session['ended_at'][11:23]}" if session["ended_at"] else ""
    after = session.get("superseded_by")
    superseded = f", superseded by {public_id(at, after)}" if after else ""
    begun = session["started_at"] or session.get("joined_at") or ""
    return f"{session['state']} since {begun[11:23]}{ended}{superseded}, {session['delivered_kwh']:.4f} kWh"
