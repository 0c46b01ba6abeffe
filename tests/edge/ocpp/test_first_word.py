"""Who speaks first on a new connection: the charger, for a moment; then the edge, whatever the charger says or not."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from smartgrid.edge.ocpp import connection
from smartgrid.edge.ocpp.conversation import AFTER_BOOT_S, FIRST_WORD_S, Action, Conversation, Resolve, Send
from smartgrid.edge.ocpp.counters import Counters
from smartgrid.edge.ports import Answer, CallFailure, Link, OcppVersion, Payload
from support.charger_sockets import LONGEST_S, Fleet, heard, run, running, say

NOW_S = 100.0
NOW = "2026-11-26T12:00:00Z"


class Beginning:
    """A connection that has come just now."""

    def __init__(self) -> None:
        self.talk = Conversation(OcppVersion.V16, Counters(), NOW_S + FIRST_WORD_S)
        self.ended: list[Answer] = []
        self.heard = 0

    def hear(self, action: str, now_s: float = NOW_S) -> Sequence[Action]:
        self.heard += 1
        return self.talk.received(json.dumps([2, f"m{self.heard}", action, {}]).encode(), now_s)

    def ask(self, key: str, *, slot: str | None = None, first: bool = False) -> Sequence[Action]:
        payload = {"key": [key]}
        return self.talk.call("GetConfiguration", payload, self.ended.append, NOW_S, slot=slot, first=first)


def asked(actions: Sequence[Action]) -> list[str]:
    """What calls went out."""
    return [json.loads(each.text)[3]["key"][0] for each in actions if isinstance(each, Send)]


def test_nothing_is_asked_before_the_charger_has_said_something() -> None:
    beginning = Beginning()
    assert asked(beginning.ask("a")) == []
    assert asked(beginning.talk.expire(NOW_S + FIRST_WORD_S - 0.1)) == []
    assert beginning.talk.deadline_s == NOW_S + FIRST_WORD_S

    assert asked(beginning.hear("Heartbeat")) == ["a"]
    assert beginning.talk.has_begun
    assert asked(beginning.ask("b")) == [], "one at a time, as ever"


def test_after_its_boot_a_charger_has_another_moment_if_it_says_nothing_more() -> None:
    """A program may read what comes with the answer before that has had its effect."""
    beginning = Beginning()
    beginning.ask("a")
    assert asked(beginning.hear("BootNotification", NOW_S + 0.1)) == []
    assert asked(beginning.talk.expire(NOW_S + 0.1 + AFTER_BOOT_S - 0.01)) == []
    assert asked(beginning.talk.expire(NOW_S + 0.1 + AFTER_BOOT_S)) == ["a"]

    beginning = Beginning()
    beginning.ask("a")
    beginning.hear("BootNotification")
    assert asked(beginning.hear("StatusNotification")) == ["a"]


def test_one_that_boots_over_and_over_does_not_put_it_off() -> None:
    beginning = Beginning()
    beginning.ask("a")
    for tenths in range(20):
        beginning.hear("BootNotification", NOW_S + tenths / 10)
        beginning.talk.expire(NOW_S + tenths / 10)
    assert beginning.talk.has_begun


def test_of_a_charger_that_says_nothing_the_first_word_is_not_waited_for_long() -> None:
    beginning = Beginning()
    beginning.ask("a")
    assert asked(beginning.talk.expire(NOW_S + FIRST_WORD_S)) == ["a"]


def test_with_nothing_to_ask_it_begins_all_the_same() -> None:
    beginning = Beginning()
    assert beginning.talk.expire(NOW_S + FIRST_WORD_S) == ()
    assert beginning.talk.deadline_s == math.inf
    assert asked(beginning.ask("a")) == ["a"]


def test_what_waited_goes_out_in_its_order_limits_first_and_only_the_latest_of_each() -> None:
    beginning = Beginning()
    beginning.ask("set-up")
    beginning.ask("old limit", slot="limit", first=True)
    (replaced,) = beginning.ask("limit", slot="limit", first=True)
    assert isinstance(replaced, Resolve)
    assert replaced.answer.failure is CallFailure.REPLACED
    assert asked(beginning.hear("Heartbeat")) == ["limit"]


def test_a_connection_that_ends_before_ends_what_waits() -> None:
    beginning = Beginning()
    beginning.ask("a")
    (ended,) = beginning.talk.close()
    assert isinstance(ended, Resolve)
    assert ended.answer.failure is CallFailure.CLOSED
    assert beginning.talk.expire(NOW_S + FIRST_WORD_S) == ()


class Hasty(Fleet):
    """It has something to tell a charger at once, and something else once that has booted."""

    def connected(self, link: Link) -> None:
        super().connected(link)
        link.call("GetConfiguration", {"key": ["at once"]}, lambda answer: None, slot="limit")

    def called(self, link: Link, message_id: str, action: str, payload: Payload) -> None:
        super().called(link, message_id, action, payload)
        if action == "BootNotification":
            link.reply(message_id, {"currentTime": NOW, "interval": 300, "status": "Accepted"})
            link.call("GetConfiguration", {"key": ["booted"]}, lambda answer: None, slot="limit")


def test_the_first_that_a_charger_hears_is_the_answer_to_its_boot_and_then_what_is_right_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libocpp drops all calls that come before it, and simple programs take the next message for it."""

    async def story() -> None:
        async with running(tmp_path, fleet=Hasty()) as edge, edge.charger() as charger:
            await say(charger, 2, "m1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
            assert (await heard(charger))[:2] == [3, "m1"]
            assert (await heard(charger))[3] == {"key": ["booted"]}

    monkeypatch.setattr(connection, "FIRST_WORD_S", 2 * LONGEST_S)
    run(story)


def test_one_that_says_nothing_hears_it_after_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with running(tmp_path, fleet=Hasty()) as edge:
            before_s = time.monotonic()
            async with edge.charger() as charger:
                assert (await heard(charger))[3] == {"key": ["at once"]}
                assert time.monotonic() - before_s >= 0.5

    monkeypatch.setattr(connection, "FIRST_WORD_S", 0.5)
    run(story)


@pytest.mark.parametrize("said", [[2, "m1", "Heartbeat", {}], [3, "nobody's", {}], "rubbish"])
def test_whatever_it_says_it_has_had_the_first_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: object
) -> None:
    async def story() -> None:
        async with running(tmp_path, fleet=Hasty()) as edge, edge.charger() as charger:
            await charger.send(json.dumps(said))
            while (found := await heard(charger))[0] != 2:
                pass
            assert found[3] == {"key": ["at once"]}

    monkeypatch.setattr(connection, "FIRST_WORD_S", 2 * LONGEST_S)
    run(story)
