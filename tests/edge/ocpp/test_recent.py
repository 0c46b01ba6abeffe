"""The last messages of a charger."""

from __future__ import annotations

import pytest

from smartgrid.edge.ocpp import recent
from smartgrid.edge.ocpp.recent import IN, NOTICE, OUT, WATCH_S, Recent, described
from smartgrid.edge.ports import ChargerId

CHARGER, OTHER = ChargerId("substation-0", "CP-1"), ChargerId("substation-0", "CP-2")


def texts(kept: Recent, charger: ChargerId = CHARGER, now_s: float = 0.0) -> list[str]:
    return [each.text for each in kept.look(charger, now_s)]


def test_messages_are_kept_in_their_order_with_time_and_direction() -> None:
    kept = Recent(10)
    kept.note(CHARGER, IN, b'[2,"1","Heartbeat",{}]', 1.5)
    kept.note(CHARGER, OUT, b'[3,"1",{}]', 2.5)
    kept.note(OTHER, IN, b'[2,"9","Heartbeat",{}]', 3.5)
    assert [(each.wall_s, each.direction) for each in kept.look(CHARGER, 0.0)] == [(1.5, IN), (2.5, OUT)]
    assert texts(kept) == ['[2,"1","Heartbeat",{}]', '[3,"1",{}]']


def test_what_is_kept_of_a_charger_is_bounded_and_the_newest_stays() -> None:
    kept = Recent(10)
    for number in range(1000):
        kept.note(CHARGER, IN, f"{number:04d}".encode() + b"x" * 10_000, 0.0)
    assert len(kept._kept[CHARGER]) <= recent.KEPT_BYTES
    found = texts(kept)
    assert 10 <= len(found) <= 20
    assert found[-1].startswith("0999")
    assert all(len(each) == recent.CUT_BYTES for each in found)


def test_of_short_messages_more_are_kept() -> None:
    kept = Recent(10)
    for number in range(1000):
        kept.note(CHARGER, IN, f'[2,"{number}","Heartbeat",{{}}]'.encode(), 0.0)
    assert len(texts(kept)) >= 40


def test_whoever_is_looked_at_keeps_more_for_a_while() -> None:
    kept = Recent(10)
    kept.look(CHARGER, 0.0)
    for number in range(100):
        kept.note(CHARGER, IN, f"{number:04d}".encode() + b"x" * 1000, 0.0)
    assert len(texts(kept, now_s=1.0)) > 50
    assert len(texts(kept, now_s=1.0)[0]) == 1004
    kept.look(OTHER, 2 * WATCH_S)
    kept.note(CHARGER, IN, b"x", 0.0)
    assert len(kept._kept[CHARGER]) <= recent.KEPT_BYTES


def test_only_so_many_are_looked_at_at_a_time() -> None:
    kept = Recent(1000)
    for number in range(100):
        kept.look(ChargerId("substation-0", f"CP-{number}"), 0.0)
    assert len(kept._watched) == recent.MAX_WATCHED


def test_chargers_that_spoke_longest_ago_are_forgotten() -> None:
    kept = Recent(3)
    for name in ("a", "b", "c", "a", "d"):
        kept.note(ChargerId("substation-0", name), IN, b"x", 0.0)
    assert [charger.charger for charger in kept._kept] == ["c", "a", "d"]


def test_pitfall_24_a_key_is_never_kept() -> None:
    kept = Recent(10)
    for data in (
        b'[2,"1","ChangeConfiguration",{"value":"5EC4E7","key":"AuthorizationKey"}]',
        b'[2,"2","SetVariables",{"setVariableData":[{"attributeValue":"5EC4E7","variable":{"name":"BasicAuthPassword"}}]}]',
        b'[2,"3","ChangeConfiguration",{"value":"5EC4E7","key":"authorizationKey"}]',
        b'[2,"4","NotifyReport",{"variableAttribute":[{"value":"5EC4E7"}],"variable":{"name":"basicAuthPASSWORD"}}]',
        b'[3,"5",{"configurationKey":[{"key":"WifiPassword","readonly":false,"value":"5EC4E7"}]}]',
    ):
        kept.note(CHARGER, OUT, data, 0.0)
    assert not [each for each in kept._kept.values() if b"5EC4E7" in each]
    assert len(texts(kept)) == 5


def test_tags_of_drivers_are_not_shown_not_even_where_a_message_is_cut() -> None:
    kept = Recent(10)
    kept.note(CHARGER, IN, b'[2,"1","Authorize",{"idTag":"DR1VER"}]', 0.0)
    kept.note(CHARGER, IN, b'[2,"2","Authorize",{"idToken":{"idToken": "DR1VER","type":"ISO14443"}}]', 0.0)
    kept.note(CHARGER, OUT, b'[3,"3",{"idTagInfo":{"status":"Accepted","parentIdTag":"DR1VER"}}]', 0.0)
    long = b'[2,"4","DataTransfer",{"a":"' + b"x" * 118 + b'","idTag":"DR1VER"}]'
    kept.note(CHARGER, IN, long, 0.0)
    assert kept._kept[CHARGER].endswith(b'"DR1')
    assert not [text for text in texts(kept) if "DR1" in text]


@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize(
    "member",
    [
        r'"id\u0054ag":"DR1VER"',
        r'"\u0069\u0064Tag" : "DR1VER"',
        r'"idTag":"DR1VER\""',
        r'"IDTAG":"DR1VER"',
        r'"idTag":["DR1VER"]',
        r'"idToken":{"idToken":"DR1VER","type":"Central","additionalInfo":[{"additionalIdToken":"DR1VER"}]}',
        r'"groupIdToken":{"id\u0054oken":"DR1VER","type":"Central"}',
        r'"x\"y":1,"idTag":"DR1VER"',
    ],
)
def test_tags_are_not_shown_however_their_keys_are_written(member: str, is_cut: bool) -> None:
    kept = Recent(10)
    end = ',"a":"' + "x" * 200 + '"' if is_cut else ""
    kept.note(CHARGER, IN, f'[2,"1","Authorize",{{"b":"kept",{member}{end}}}]'.encode(), 0.0)
    (text,) = texts(kept)
    assert "DR1" not in text
    assert '"b":"kept"' in text


def test_a_tag_of_unusual_form_is_not_shown_either() -> None:
    kept = Recent(10)
    kept.note(CHARGER, IN, b'[2,"1","Authorize",{"idTag":{"x":["DR1VER",{"y":"DR1VER"}]},"n":1}]', 0.0)
    assert texts(kept) == ['[2,"1","Authorize",{"idTag":{"x":["…",{"y":"…"}]},"n":1}]']


def test_a_key_is_not_kept_however_its_name_is_written() -> None:
    kept = Recent(10)
    kept.note(CHARGER, IN, rb'[2,"1","X",{"value":"5EC4E7","key":"Authori\u007AationK\u0065y"}]', 0.0)
    assert not [each for each in kept._kept.values() if b"5EC4E7" in each]


def test_a_message_is_described_as_far_as_it_was_kept() -> None:
    kept = Recent(10)
    kept.note(CHARGER, IN, b'[2,"1","Heartbeat",{}]', 0.0)
    kept.note(CHARGER, OUT, b'[3,"1",{"currentTime":"x"}]', 0.0)
    kept.note(CHARGER, IN, b'[4,"2","NotSupported","no",{}]', 0.0)
    kept.note(CHARGER, IN, b'[2,"3","MeterValues",{"a":"' + b"x" * 1000, 0.0)
    kept.note(CHARGER, IN, b"rubbish \xff", 0.0)
    kept.note(CHARGER, NOTICE, b"not JSON", 0.0)
    call, result, error, cut, rubbish, notice = (described(each) for each in kept.look(CHARGER, 0.0))
    assert call == {"direction": "in", "type": "call", "id": "1", "action": "Heartbeat", "payload": {}}
    assert result == {"direction": "out", "type": "result", "id": "1", "action": None, "payload": {"currentTime": "x"}}
    assert (error["type"], error["payload"]) == ("error", ["NotSupported", "no", {}])
    assert (cut["action"], cut["payload"][:6], cut["payload"][-1]) == ("MeterValues", '{"a":"', "…")
    assert (rubbish["type"], rubbish["payload"]) == ("unreadable", "rubbish �")
    assert (notice["type"], notice["direction"], notice["payload"]) == ("notice", "in", "not JSON")
