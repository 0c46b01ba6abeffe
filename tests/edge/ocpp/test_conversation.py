"""What is said on a charger's connection: one call at a time each way, repeats, and what is whose mistake."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest

from smartgrid.edge.ocpp import conversation
from smartgrid.edge.ocpp.conversation import (
    BOOTED_S,
    KEPT_ANSWERS,
    MAX_UNANSWERED,
    MAX_WAITING,
    SOON_S,
    Action,
    Conversation,
    HandUp,
    Notice,
    Resolve,
    Send,
)
from smartgrid.edge.ocpp.counters import Counters
from smartgrid.edge.ports import Answer, CallFailure, OcppVersion, Payload

V16, V201, V21 = OcppVersion.V16, OcppVersion.V201, OcppVersion.V21
NOW = "2026-11-26T12:00:00Z"
LIMIT_SLOT = "limit-1"


class Talk:
    """A conversation, and what came of it."""

    def __init__(self, version: OcppVersion = V16) -> None:
        self.counters = Counters()
        self.talk = Conversation(version, self.counters)
        self.now_s = 100.0
        self.sent: list[list[Any]] = []
        self.called: list[tuple[str, str, Payload]] = []
        self.ended: dict[str, Answer] = {}
        self.notices: list[str] = []

    def did(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self.sent.append(json.loads(action.text))
            elif isinstance(action, HandUp):
                self.called.append((action.message_id, action.action, action.payload))
            elif isinstance(action, Resolve):
                action.on_answer(action.answer)
            else:
                assert isinstance(action, Notice)
                self.notices.append(action.kind)

    def hear(self, *message: object) -> None:
        self.hear_text(json.dumps(message))

    def hear_text(self, text: str) -> None:
        self.did(self.talk.received(text.encode(), self.now_s))

    def reply(self, message_id: str, payload: Payload) -> None:
        self.did(self.talk.reply(message_id, payload))

    def refuse(self, message_id: str, code: str = "NotSupported") -> None:
        self.did(self.talk.refuse(message_id, code, "No."))

    def ask(self, name: str, key: str = "Heartbeat", **options: Any) -> None:
        """A call named by what it asks for; its end is in `ended`."""

        def on_answer(answer: Answer) -> None:
            assert name not in self.ended, "told twice"
            self.ended[name] = answer

        payload = {"requestedMessage": key} if self.talk.version is not V16 else {"key": [name]}
        action = "TriggerMessage" if self.talk.version is not V16 else "GetConfiguration"
        self.did(self.talk.call(action, payload, on_answer, self.now_s, **options))

    def asked(self) -> list[str]:
        """The names of calls that went out, in order."""
        return [each[3]["key"][0] for each in self.sent if each[0] == 2]

    def asked_actions(self) -> list[str]:
        return [each[2] for each in self.sent if each[0] == 2]

    def answer(self, payload: dict[str, Any] | None = None) -> None:
        """The charger answers the call that went out last."""
        self.hear(3, self.sent[-1][1], payload or {})

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.did(self.talk.expire(self.now_s))


# ---------------------------------------------------------------------- what the charger asks


def test_a_call_is_handed_up_and_answered_under_its_id() -> None:
    talk = Talk()
    talk.hear(2, "m1", "Heartbeat", {})
    assert talk.called == [("m1", "Heartbeat", {})]
    talk.reply("m1", {"currentTime": NOW})
    assert talk.sent == [[3, "m1", {"currentTime": NOW}]]


def test_answers_may_come_late_and_in_another_order() -> None:
    talk = Talk()
    talk.hear(2, "m1", "Heartbeat", {})
    talk.hear(2, "m2", "Heartbeat", {})
    talk.reply("m2", {"currentTime": NOW})
    talk.reply("m1", {"currentTime": NOW})
    assert [each[1] for each in talk.sent] == ["m2", "m1"]


def test_a_repeat_gets_the_same_answer_and_is_not_handed_up_again() -> None:
    talk = Talk()
    talk.hear(2, "m1", "Heartbeat", {})
    talk.reply("m1", {"currentTime": NOW})
    talk.hear(2, "m1", "Heartbeat", {})
    assert len(talk.called) == 1
    assert talk.sent == [[3, "m1", {"currentTime": NOW}]] * 2
    assert talk.counters.errors["repeated"] == 1


def test_a_repeat_while_the_first_is_being_answered_is_answered_with_it() -> None:
    talk = Talk()
    talk.hear(2, "m1", "Heartbeat", {})
    talk.hear(2, "m1", "Heartbeat", {})
    assert len(talk.called) == 1
    talk.reply("m1", {"currentTime": NOW})
    assert len(talk.sent) == 1


def test_a_refusal_is_repeated_too() -> None:
    talk = Talk()
    talk.hear(2, "m1", "DataTransfer", {"vendorId": "x"})
    talk.refuse("m1")
    talk.hear(2, "m1", "DataTransfer", {"vendorId": "x"})
    assert len(talk.called) == 1
    assert [each[:3] for each in talk.sent] == [[4, "m1", "NotSupported"]] * 2


def test_an_id_that_is_used_again_for_something_else_is_a_new_call() -> None:
    talk = Talk()
    talk.hear(2, "1", "Authorize", {"idTag": "A"})
    talk.reply("1", {"idTagInfo": {"status": "Accepted"}})
    talk.hear(2, "1", "Authorize", {"idTag": "B"})
    assert [payload["idTag"] for _, _, payload in talk.called] == ["A", "B"]
    talk.reply("1", {"idTagInfo": {"status": "Blocked"}})
    assert talk.sent[-1] == [3, "1", {"idTagInfo": {"status": "Blocked"}}]


def test_only_the_last_few_answers_are_kept() -> None:
    talk = Talk()
    for number in range(100):
        talk.hear(2, f"m{number}", "Heartbeat", {})
        talk.reply(f"m{number}", {"currentTime": NOW})
    assert len(talk.talk._inbound) == KEPT_ANSWERS
    talk.hear(2, "m99", "Heartbeat", {})
    assert len(talk.called) == 100


def test_a_call_that_is_owed_an_answer_is_not_forgotten_for_those_that_are_answered() -> None:
    talk = Talk()
    talk.hear(2, "slow", "Authorize", {"idTag": "A"})
    for number in range(100):
        talk.hear(2, f"m{number}", "Heartbeat", {})
        talk.reply(f"m{number}", {"currentTime": NOW})
    talk.reply("slow", {"idTagInfo": {"status": "Accepted"}})
    assert talk.sent[-1][1] == "slow"


def test_calls_that_nobody_answers_are_bounded() -> None:
    talk = Talk()
    for number in range(10 * MAX_UNANSWERED):
        talk.hear(2, f"m{number}", "Heartbeat", {})
    assert len(talk.talk._inbound) == MAX_UNANSWERED
    assert talk.counters.errors["unanswered"] == 9 * MAX_UNANSWERED
    talk.reply("m0", {"currentTime": NOW})
    assert talk.sent == []


def test_an_answer_to_nothing_is_not_sent() -> None:
    talk = Talk()
    talk.reply("never", {"currentTime": NOW})
    talk.hear(2, "m1", "Heartbeat", {})
    talk.reply("m1", {"currentTime": NOW})
    talk.reply("m1", {"currentTime": NOW})
    talk.refuse("m1")
    assert len(talk.sent) == 1


# ---------------------------------------------------------------------- lenient in, strict out


def test_what_is_against_the_schema_is_counted_and_handed_up() -> None:
    talk = Talk()
    talk.hear(2, "m1", "StatusNotification", {"connectorId": 1, "status": "Odd", "more": True})
    assert talk.called == [("m1", "StatusNotification", {"connectorId": 1, "status": "Odd", "more": True})]
    assert talk.notices == ["schema"]
    assert talk.sent == []


def test_an_answer_against_the_schema_is_counted_and_handed_up() -> None:
    talk = Talk()
    talk.ask("a")
    talk.answer({"configurationKey": "none"})
    assert talk.ended["a"] == Answer({"configurationKey": "none"})
    assert talk.notices == ["schema"]


def test_an_answer_that_is_no_object_ends_the_call_as_refused() -> None:
    talk = Talk()
    talk.ask("a")
    talk.hear(3, talk.sent[-1][1], None)
    assert talk.ended["a"] == Answer(None, CallFailure.REFUSED, "FormatViolation")


@pytest.mark.parametrize("payload", [{}, {"currentTime": 7}, {"currentTime": NOW, "more": 1}])
def test_an_answer_of_ours_against_the_schema_is_a_programming_error(payload: Payload) -> None:
    talk = Talk()
    talk.hear(2, "m1", "Heartbeat", {})
    with pytest.raises(ValueError, match="Heartbeat"):
        talk.talk.reply("m1", payload)
    talk.reply("m1", {"currentTime": NOW})
    assert talk.sent == [[3, "m1", {"currentTime": NOW}]]


@pytest.mark.parametrize(
    ("version", "action", "payload"),
    [
        (V16, "Reset", {}),
        (V16, "Reset", {"type": "Immediate"}),
        (V201, "Reset", {"type": "Soft"}),
        (V16, "SetVariables", {"setVariableData": []}),
        (V201, "ChangeConfiguration", {"key": "a", "value": "b"}),
        (V16, "DataTransfer", {"vendorId": "x", "data": math.nan}),
        (V16, "NoSuch", {}),
    ],
)
def test_a_call_of_ours_that_no_charger_may_get_is_a_programming_error(
    version: OcppVersion, action: str, payload: Payload
) -> None:
    talk = Talk(version)
    with pytest.raises(ValueError):
        talk.talk.call(action, payload, lambda answer: None, 0.0)
    assert talk.talk.deadline_s == math.inf


def test_an_action_that_does_not_exist_is_refused() -> None:
    talk = Talk()
    talk.hear(2, "m1", "TransactionEvent", {})
    assert talk.sent[0][:3] == [4, "m1", "NotImplemented"]
    assert talk.called == []
    assert talk.counters.messages["in", "other"] == 1


@pytest.mark.parametrize("code", ["InternalError", "FormatViolation", "Oops"])
def test_a_code_that_1_6_does_not_have_or_that_tells_of_our_trouble_is_an_error(code: str) -> None:
    talk = Talk()
    talk.hear(2, "m1", "Heartbeat", {})
    with pytest.raises(ValueError, match=code):
        talk.talk.refuse("m1", code, "")


def test_what_cannot_be_read_is_refused_and_does_not_disturb_the_rest() -> None:
    talk = Talk()
    talk.hear(2, "m1", "Heartbeat", {})
    talk.hear_text("rubbish")
    talk.reply("m1", {"currentTime": NOW})
    assert [each[:2] for each in talk.sent] == [[4, "-1"], [3, "m1"]]


# ---------------------------------------------------------------------- what we ask


def test_pitfall_23_one_call_is_under_way_at_a_time() -> None:
    talk = Talk()
    for name in "abc":
        talk.ask(name)
    assert talk.asked() == ["a"]
    talk.answer()
    assert talk.asked() == ["a", "b"]
    talk.answer()
    talk.answer()
    assert talk.asked() == ["a", "b", "c"]
    assert talk.ended == dict.fromkeys("abc", Answer({}))


def test_pitfall_23_of_limits_that_wait_only_the_latest_is_sent() -> None:
    talk = Talk()
    talk.ask("under way", slot=LIMIT_SLOT)
    for name in ("16 A", "10 A", "8 A"):
        talk.ask(name, slot=LIMIT_SLOT)
    talk.answer()
    talk.answer()
    assert talk.asked() == ["under way", "8 A"]
    replaced = Answer(None, CallFailure.REPLACED)
    assert talk.ended == {"under way": Answer({}), "16 A": replaced, "10 A": replaced, "8 A": Answer({})}


def test_pitfall_23_a_later_limit_keeps_the_place_of_the_one_that_it_replaces() -> None:
    talk = Talk()
    for name, slot in (("x", None), ("old", LIMIT_SLOT), ("y", None), ("new", LIMIT_SLOT), ("other", "limit-2")):
        talk.ask(name, slot=slot)
    for _ in range(4):
        talk.answer()
    assert talk.asked() == ["x", "new", "y", "other"]


def test_pitfall_23_what_is_first_goes_before_all_that_wait_in_its_own_order() -> None:
    talk = Talk()
    for name in ("x", "y"):
        talk.ask(name)
    talk.ask("limit 1", first=True)
    talk.ask("limit 2", first=True)
    for _ in range(4):
        talk.answer()
    assert talk.asked() == ["x", "limit 1", "limit 2", "y"]


def test_pitfall_23_a_limit_that_becomes_urgent_moves_to_the_front() -> None:
    talk = Talk()
    talk.ask("x")
    talk.ask("y")
    talk.ask("slow", slot=LIMIT_SLOT)
    talk.ask("urgent", slot=LIMIT_SLOT, first=True)
    for _ in range(3):
        talk.answer()
    assert talk.asked() == ["x", "urgent", "y"]


def test_pitfall_23_a_limit_that_replaces_an_urgent_one_is_as_urgent() -> None:
    talk = Talk()
    talk.ask("x")
    talk.ask("urgent", slot=LIMIT_SLOT, first=True)
    talk.ask("later", slot=LIMIT_SLOT)
    talk.ask("first too", first=True)
    for _ in range(3):
        talk.answer()
    assert talk.asked() == ["x", "later", "first too"]


def test_pitfall_23_a_limit_does_not_wait_long_for_the_answer_to_a_mere_question() -> None:
    """PyPI `ocpp` 2.1.0 never answers an action of 2.1 for which a charger has no handler."""
    talk = Talk()
    talk.ask("question", timeout_s=60)
    talk.wait(1)
    talk.ask("set-up", timeout_s=60)
    talk.wait(SOON_S)
    assert talk.asked() == ["question"], "nothing is in a hurry"

    talk = Talk()
    talk.ask("question", timeout_s=60)
    talk.wait(1)
    talk.ask("limit", first=True)
    talk.wait(SOON_S - 1.1)
    assert talk.asked() == ["question"]
    talk.wait(0.1)
    assert talk.asked() == ["question", "limit"]
    assert talk.ended == {"question": Answer(None, CallFailure.TIMEOUT)}


def test_pitfall_23_a_limit_waits_for_the_answer_to_an_operator_s_command() -> None:
    talk = Talk()
    talk.did(talk.talk.call("UnlockConnector", {"connectorId": 1}, lambda answer: None, talk.now_s, timeout_s=30))
    talk.ask("limit", first=True)
    talk.wait(29)
    assert talk.asked_actions() == ["UnlockConnector"]
    talk.wait(1)
    assert talk.asked_actions() == ["UnlockConnector", "GetConfiguration"]


def test_pitfall_23_a_charger_that_does_not_answer_holds_the_others_up_for_its_timeout_only() -> None:
    talk = Talk()
    talk.ask("a", timeout_s=60)
    talk.ask("b", timeout_s=10)
    assert talk.talk.deadline_s == talk.now_s + 60
    talk.wait(59.9)
    assert talk.ended == {}
    talk.wait(0.1)
    assert talk.ended == {"a": Answer(None, CallFailure.TIMEOUT)}
    assert talk.asked() == ["a", "b"]
    talk.wait(9.9)
    assert "b" not in talk.ended
    talk.wait(0.1)
    assert talk.ended["b"] == Answer(None, CallFailure.TIMEOUT)
    assert talk.talk.deadline_s == math.inf


def test_pitfall_23_what_was_asked_before_a_charger_has_booted_is_not_waited_for_long_after_that() -> None:
    talk = Talk()
    talk.ask("a", timeout_s=60)
    talk.ask("b", timeout_s=60)
    talk.now_s += 2
    talk.hear(2, "1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    assert talk.talk.deadline_s == talk.now_s + BOOTED_S
    talk.now_s += BOOTED_S
    talk.did(talk.talk.expire(talk.now_s))
    assert talk.ended["a"].failure is CallFailure.TIMEOUT
    assert talk.talk.deadline_s == talk.now_s + 60


def test_pitfall_23_an_answer_after_the_timeout_is_nobody_s() -> None:
    talk = Talk()
    talk.ask("a", timeout_s=60)
    talk.ask("b", timeout_s=60)
    late = talk.sent[0][1]
    talk.wait(60)
    talk.hear(3, late, {})
    assert talk.ended == {"a": Answer(None, CallFailure.TIMEOUT)}
    assert talk.counters.errors["unasked"] == 1
    talk.answer()
    assert talk.ended["b"] == Answer({})


def test_pitfall_23_calls_that_wait_are_bounded_but_the_latest_of_a_slot_always_finds_its_place() -> None:
    talk = Talk()
    talk.ask("under way")
    talk.ask("limit", slot=LIMIT_SLOT)
    for number in range(MAX_WAITING + 5):
        talk.ask(f"call {number}")
    full = [name for name, answer in talk.ended.items() if answer.failure is CallFailure.FULL]
    assert full == [f"call {number}" for number in range(MAX_WAITING - 1, MAX_WAITING + 5)]
    talk.ask("newer limit", slot=LIMIT_SLOT)
    talk.answer()
    assert talk.asked() == ["under way", "newer limit"]


def test_a_refusal_ends_the_call_with_its_code() -> None:
    talk = Talk()
    talk.ask("a")
    talk.ask("b")
    talk.hear(4, talk.sent[-1][1], "NotSupported", "no profiles here", {})
    assert talk.ended["a"] == Answer(None, CallFailure.REFUSED, "NotSupported")
    assert talk.asked() == ["a", "b"]


@pytest.mark.parametrize("message", [[3, "nobody", {}], [4, "nobody", "GenericError", "", {}], [4]])
def test_an_answer_that_nobody_asked_for_is_dropped_and_leaves_nothing_behind(message: list[object]) -> None:
    talk = Talk()
    talk.ask("a")
    for _ in range(1000):
        talk.hear(*message)
    assert talk.ended == {}
    assert talk.counters.errors["unasked"] == 1000
    assert len(talk.sent) == 1
    talk.answer()
    assert talk.ended == {"a": Answer({})}


def test_no_id_of_ours_is_used_twice_not_even_on_two_connections() -> None:
    talks = [Talk(), Talk()]
    for talk in talks:
        for number in range(20):
            talk.ask(str(number))
            talk.answer()
    ids = [each[1] for talk in talks for each in talk.sent]
    assert len({*ids}) == 40
    assert all(len(each) <= 36 for each in ids)


def test_what_is_asked_when_a_call_ends_waits_its_turn() -> None:
    """The callback of one call asks for more: still one at a time."""
    talk = Talk()
    ended: list[Answer] = []

    def on_answer(answer: Answer) -> None:
        ended.append(answer)
        talk.ask("from the callback")

    talk.did(talk.talk.call("GetConfiguration", {"key": ["a"]}, on_answer, talk.now_s))
    talk.ask("b")
    talk.hear(3, talk.sent[0][1], {})
    assert ended == [Answer({})]
    assert talk.asked() == ["a", "b"]
    talk.answer()
    assert talk.asked() == ["a", "b", "from the callback"]


# ---------------------------------------------------------------------- the end


def test_at_the_end_every_call_is_over() -> None:
    talk = Talk()
    for name in "abc":
        talk.ask(name)
    talk.did(talk.talk.close())
    assert talk.ended == dict.fromkeys("abc", Answer(None, CallFailure.CLOSED))


def test_after_the_end_nothing_is_said_and_nothing_is_heard() -> None:
    talk = Talk()
    talk.hear(2, "m1", "Heartbeat", {})
    talk.did(talk.talk.close())
    talk.reply("m1", {"currentTime": NOW})
    talk.hear(2, "m2", "Heartbeat", {})
    talk.ask("late")
    assert talk.sent == []
    assert len(talk.called) == 1
    assert talk.ended == {"late": Answer(None, CallFailure.CLOSED)}


# ---------------------------------------------------------------------- 2.1


def test_a_send_of_2_1_is_handed_up_and_never_answered() -> None:
    talk = Talk(V21)
    payload = {"id": 1, "pending": 0, "basetime": NOW, "data": [{"t": 1.0, "v": "2"}]}
    talk.hear(6, "m1", "NotifyPeriodicEventStream", payload)
    assert talk.called == [("m1", "NotifyPeriodicEventStream", payload)]
    talk.reply("m1", {})
    talk.hear(6, "m2", "NoSuch", {})
    assert talk.sent == []
    assert talk.notices == ["unknown_action"]


def test_a_result_that_the_charger_refuses_in_2_1_is_counted_and_not_answered() -> None:
    talk = Talk(V21)
    talk.hear(5, "m1", "FormatViolation", "what?", {})
    assert talk.sent == []
    assert talk.counters.errors["result_refused"] == 1


# ---------------------------------------------------------------------- what is counted


def test_messages_are_counted_by_direction_and_action() -> None:
    talk = Talk()
    talk.hear(2, "m1", "Heartbeat", {})
    talk.reply("m1", {"currentTime": NOW})
    talk.ask("a")
    talk.now_s += 0.3
    talk.answer()
    assert dict(talk.counters.messages) == {
        ("in", "Heartbeat"): 1,
        ("out", "Heartbeat"): 1,
        ("out", "GetConfiguration"): 1,
        ("in", "GetConfiguration"): 1,
    }
    histogram = talk.counters.call_s
    assert histogram.counts[histogram.bounds.index(0.5)] == 1
    assert histogram.total == pytest.approx(0.3)


def test_a_new_connection_holds_no_more_than_it_must() -> None:
    """10,000 of these wait for the next message: no queue before something waits."""
    talk = Talk()
    talk.ask("a")
    assert talk.talk._waiting is None
    talk.ask("b")
    talk.answer()
    assert talk.talk._waiting is None
    assert not hasattr(talk.talk, "__dict__")
    assert conversation.KEPT_ANSWERS < 10
