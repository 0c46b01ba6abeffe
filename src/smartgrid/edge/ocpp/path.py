"""Where a charger connects: `/ocpp/{substation}/{charger}`. Pure.

A slash too many changes nothing: chargers append `/` and their name to a URL that ends with one already, or end it so.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

from smartgrid.edge.ports import ChargerId, OcppVersion
from smartgrid.protocol.chargers import is_charger
from smartgrid.protocol.models import MEMBER_NAME

MAX_TARGET = 512


def charger_of(target: str) -> ChargerId | None:
    """The charger of a request's target, percent-decoded; None where it is none.

    Decoded after it is split, so an encoded slash is no slash; and once, so what is encoded twice stays encoded.
    """
    path = target[: MAX_TARGET + 1].partition("?")[0]
    parts = [part for part in path.split("/") if part]
    if len(target) > MAX_TARGET or len(parts) != 3 or parts[0] != "ocpp" or not path.startswith("/"):
        return None
    try:
        substation, charger = (unquote(part, errors="strict") for part in parts[1:])
    except UnicodeDecodeError:
        return None
    return ChargerId(substation, charger) if MEMBER_NAME.fullmatch(substation) and is_charger(charger) else None


def version_of(offered: Sequence[str]) -> OcppVersion | None:
    """The first subprotocol that the charger offers and we speak: the order is its own (RFC 6455, 1.9)."""
    return next((OcppVersion(each) for each in offered if each in _SPOKEN), None)


_SPOKEN = frozenset(OcppVersion)
