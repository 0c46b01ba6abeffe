"""Whatever a charger sends, in whatever order: a conversation keeps its promises."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.ocpp import frames
from smartgrid.edge.ocpp.conversation import (
    KEPT_ANSWERS,
    MAX_UNANSWERED,
    MAX_WAITING,
    Conversation,
    HandUp,
    Resolve,
    Send,
)
from smartgrid.edge.ocpp.counters import Counters
from smartgrid.edge.ports import Answer, CallFailure, OcppVersion

VERSIONS = st.sampled_from(OcppVersion)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=20,
)
ACTIONS = st.sampled_from(
    ["Heartbeat", "MeterValues", "StatusNotification", "TransactionEvent", "Nope", "", "DataTransfer"]
)
IDS = st.sampled_from(["1", "2", "x" * 36, "x" * 65, ""])
MESSAGES = st.one_of(
    st.lists(JSON, max_size=6),
    st.tuples(st.integers(0, 8), IDS | JSON, ACTIONS | JSON, JSON),
    st.tuples(st.just(2), IDS, ACTIONS, st.dictionaries(st.text(max_size=10), JSON, max_size=4)),
)
DATA = st.binary(max_size=200) | MESSAGES.map(lambda message: json.dumps(message).encode())
STEPS = st.lists(
    st.tuples(st.just("hear"), DATA)
    | st.tuples(st.just("ask"), st.sampled_from(["a", "b", None]))
    | st.tuples(st.sampled_from(["answer", "refuse", "answer oddly", "expire", "reply"]), st.none()),
    max_size=60,
)
PAYLOADS = {
    OcppVersion.V16: {"requestedMessage": "Heartbeat"},
    OcppVersion.V201: {"requestedMessage": "Heartbeat"},
    OcppVersion.V21: {"requestedMessage": "Heartbeat"},
}


@given(VERSIONS, DATA)
def test_anything_is_read_without_an_exception_and_a_reply_is_itself_readable(
    version: OcppVersion, data: bytes
) -> None:
    frame = frames.parse(data, version)
    if isinstance(frame, frames.Unreadable) and frame.reply is not None:
        answered = frames.parse(frame.reply.encode(), version)
        assert isinstance(answered, frames.Refusal)
        assert answered.code in frames.CODES[version]


@given(VERSIONS, st.lists(DATA, max_size=30))
def test_two_conversations_never_talk_for_ever(version: OcppVersion, data: list[bytes]) -> None:
    """What one says on hearing rubbish does not make the other answer."""
    ours, theirs = Conversation(version, Counters()), Conversation(version, Counters())
    for each in data:
        for action in ours.received(each, 0.0):
            if isinstance(action, Send):
                echoed = theirs.received(action.text.encode(), 0.0)
                assert not [one for one in echoed if isinstance(one, Send)]


@given(VERSIONS, STEPS)
def test_a_conversation_keeps_its_rules_whatever_comes(version: OcppVersion, steps: list[tuple[str, Any]]) -> None:
    talk, now_s = Conversation(version, Counters()), 0.0
    asked: list[int] = []
    ended: dict[int, Answer] = {}
    sent: list[list[Any]] = []
    owed: list[str] = []

    def did(actions: Any) -> None:
        for action in actions:
            if isinstance(action, Send):
                sent.append(json.loads(action.text))
            elif isinstance(action, HandUp):
                owed.append(action.message_id)
            elif isinstance(action, Resolve):
                action.on_answer(action.answer)

    def ask(slot: str | None) -> None:
        number = len(asked)
        asked.append(number)

        def on_answer(answer: Answer) -> None:
            assert number not in ended, "a callback was called twice"
            ended[number] = answer

        did(talk.call("TriggerMessage", PAYLOADS[version], on_answer, now_s, slot=slot, first=slot == "b"))

    def calls() -> list[list[Any]]:
        return [each for each in sent if each[0] == 2]

    for step, what in steps:
        now_s += 1
        before = len(calls())
        last = calls()[-1][1] if calls() else "nobody"
        if step == "hear":
            did(talk.received(what, now_s))
        elif step == "ask":
            ask(what)
        elif step == "answer":
            did(talk.received(json.dumps([3, last, {"status": "Accepted"}]).encode(), now_s))
        elif step == "answer oddly":
            did(talk.received(json.dumps([3, last, {"status": 7}]).encode(), now_s))
        elif step == "refuse":
            did(talk.received(json.dumps([4, last, "NotSupported", "", {}]).encode(), now_s))
        elif step == "expire":
            now_s += 60
            did(talk.expire(now_s))
        elif owed:
            did(talk.refuse(owed.pop(0), "NotSupported", ""))
        assert len(calls()) - before <= 1
        answered = sum(1 for answer in ended.values() if answer.failure not in (CallFailure.REPLACED, CallFailure.FULL))
        assert len(calls()) - answered in (0, 1), "more than one call is under way"
        assert len(talk._waiting or ()) <= MAX_WAITING
        assert len(talk._inbound) <= MAX_UNANSWERED + KEPT_ANSWERS
    did(talk.close())
    assert sorted(ended) == asked, "a callback was never called"


@given(VERSIONS, st.dictionaries(st.text(max_size=10), JSON, max_size=5))
def test_what_we_send_is_always_whole(version: OcppVersion, payload: dict[str, Any]) -> None:
    talk = Conversation(version, Counters())
    try:
        actions = talk.call("DataTransfer", {"vendorId": "x", "data": json.dumps(payload)}, lambda answer: None, 0.0)
    except ValueError:
        return
    for action in actions:
        assert isinstance(action, Send)
        assert isinstance(frames.parse(action.text.encode(), version), frames.Call)
