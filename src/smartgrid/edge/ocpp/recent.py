"""The last messages of each charger, for whoever has to find out why it does not do what it should.

With 10,000 chargers it must stay small, so of each there is one piece of bytes, the newest at its end, and what no
longer fits falls off the front: `KEPT_BYTES` of messages cut to `CUT_BYTES`, about twelve of them and more of the short
ones. Whoever looks at a charger gets more from then on: for `WATCH_S` it keeps `WATCHED_BYTES`, hardly cut.

Keys are never kept: a message about one is noted without its payload. Drivers' tags are blanked when it is read.
"""

from __future__ import annotations

import json
import re
import struct
from collections import OrderedDict
from typing import Any, NamedTuple

from pydantic_core import from_json

from smartgrid.edge.ports import ChargerId

KEPT_BYTES, CUT_BYTES = 2048, 160
WATCHED_BYTES, WATCHED_CUT_BYTES = 65_536, 4096
WATCH_S = 900.0
MAX_WATCHED = 20
IN, OUT, NOTICE = "in", "out", "notice"
_DIRECTIONS = (IN, OUT, NOTICE)
_HEAD = struct.Struct("<dBH")
_KEY, _PASSWORD = b"authorizationkey", b"password"
"""Names of keys, in any case, and within others: `BasicAuthPassword`, `WifiPassword`."""
_HIDDEN = b"(about a key; not shown)"
_TYPES = {"2": "call", "3": "result", "4": "error", "5": "error", "6": "call"}
_BEGIN = re.compile(r'\s*\[\s*([2-6])\s*,\s*"([^"\\]*)"\s*(?:,\s*"([^"\\]*)"\s*)?,?')
_ESCAPED = re.compile(rb"\\u00([2-7][0-9A-Fa-f])")
_TAGS = frozenset({"idtag", "parentidtag", "idtoken", "additionalidtoken", "groupidtoken"})
_TOLD_OF_A_TAG = frozenset({"type", "additionalInfo"})
_MEMBER = re.compile(
    r'"((?:[^"\\]|\\.)*)"(\s*:\s*)(?:"(?:[^"\\]|\\.)*(?:"|\\?$)|-?[0-9][0-9.eE+-]*|\[[^\]{[]*\]?)', re.DOTALL
)
_BLANK = "…"


class Noted(NamedTuple):
    """One message; `text` may be cut. A `notice` is what was found wrong with the message before it."""

    wall_s: float
    direction: str
    text: str


class Recent:
    """Of `max_chargers`; whoever spoke longest ago is forgotten first when there are more."""

    def __init__(self, max_chargers: int) -> None:
        self._max_chargers = max_chargers
        self._kept: OrderedDict[ChargerId, bytearray] = OrderedDict()
        self._watched: dict[ChargerId, float] = {}

    def note(self, charger: ChargerId, direction: str, data: bytes, wall_s: float) -> None:
        """Keep a message."""
        plain = data if b"\\u00" not in data else _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), data)
        small = plain.lower()
        if _KEY in small or _PASSWORD in small:
            data = _HIDDEN
        if self._watched and charger in self._watched:
            cut, most = WATCHED_CUT_BYTES, WATCHED_BYTES
        else:
            cut, most = CUT_BYTES, KEPT_BYTES
        data = data[:cut]
        kept = self._kept.get(charger)
        if kept is None:
            kept = self._kept[charger] = bytearray()
        self._kept.move_to_end(charger)
        kept += _HEAD.pack(wall_s, _DIRECTIONS.index(direction), len(data))
        kept += data
        begin = 0
        while len(kept) - begin > most:
            begin += _HEAD.size + _HEAD.unpack_from(kept, begin)[2]
        del kept[:begin]
        if len(self._kept) > self._max_chargers:
            self._kept.popitem(last=False)

    def look(self, charger: ChargerId, now_s: float) -> list[Noted]:
        """What is kept of a charger, the oldest first; more is kept from now on, for a while."""
        self._watched = {each: until_s for each, until_s in self._watched.items() if until_s > now_s}
        if charger in self._watched or len(self._watched) < MAX_WATCHED:
            self._watched[charger] = now_s + WATCH_S
        kept, at, found = self._kept.get(charger, bytearray()), 0, []
        while at < len(kept):
            wall_s, direction, length = _HEAD.unpack_from(kept, at)
            at += _HEAD.size
            text = kept[at : at + length].decode(errors="replace")
            found.append(Noted(wall_s, _DIRECTIONS[direction], _without_tags(text)))
            at += length
        return found


def _without_tags(text: str) -> str:
    """Blanked in the message as it is read, so however its keys are written; of one that was cut, member by member."""
    try:
        message = from_json(text)
    except ValueError:
        return _MEMBER.sub(_member_without_tag, text)
    blanked = _blanked(message)
    return text if blanked == message else json.dumps(blanked, ensure_ascii=False, separators=(",", ":"))


def _blanked(value: Any, of_tag: bool = False) -> Any:
    if isinstance(value, dict):
        return {
            key: _blanked(each, key.lower() in _TAGS or (of_tag and key not in _TOLD_OF_A_TAG))
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_blanked(each, of_tag) for each in value]
    return _BLANK if of_tag and value is not None else value


def _member_without_tag(member: re.Match[str]) -> str:
    try:
        key = str(from_json(f'"{member[1]}"'))
    except ValueError:
        key = ""
    return f'"{member[1]}"{member[2]}"{_BLANK}"' if key.lower() in _TAGS else member[0]


def described(noted: Noted) -> dict[str, Any]:
    """What it is, as far as it was kept: direction, type, id, action and payload, which is a text where it was cut."""
    begin = _BEGIN.match(noted.text)
    if noted.direction == NOTICE or begin is None:
        direction, kind = (IN, NOTICE) if noted.direction == NOTICE else (noted.direction, "unreadable")
        return {"direction": direction, "type": kind, "id": "", "action": None, "payload": noted.text}
    is_call = begin[1] in "26"
    try:
        parts = from_json(noted.text)[3 if is_call else 2 :]
        payload = parts[0] if len(parts) == 1 else parts
    except ValueError:
        payload = noted.text[begin.end() :] + "…"
    action = begin[3] if is_call else None
    return {
        "direction": noted.direction,
        "type": _TYPES[begin[1]],
        "id": begin[2],
        "action": action,
        "payload": payload,
    }
