"""A row of the registry, and the rule by which the rows that two edges have of one charger become one. Pure.

A row has two parts that change for themselves: how the charger is registered (with the key that it is being given), and
what it has said of itself. Each part has a version, and of two the newer is taken as a whole. A version is the time of
the change in microseconds, but always greater than that of what was changed: so whoever changes what it has seen is
newer than it, whatever its clock says, and clocks decide only between changes of two edges that did not know of each
other. If the versions are equal the greater content is taken: which one does not matter, but all must take the same.

So it does not matter in which order rows come, how often, and by which way (property-tested). A deletion is a row with
the origin GONE, else the row would come back from the next edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from smartgrid.edge.ports import ChargerId, ChargerSpec

API, FILE, OPEN, GONE = "api", "file", "open", "gone"
MAX_TEXT = 50
MAX_FACTS, MAX_FACT = 32, 200


@dataclass(frozen=True, slots=True)
class About:
    """What a charger has said of itself; after a reconnect it need not say it again (no BootNotification comes).

    `connectors` is the highest number it has named. `facts` are more of it that shall be remembered, such as what it
    answered to GetConfiguration: at most 32 short texts.
    """

    vendor: str = ""
    model: str = ""
    firmware: str = ""
    connectors: int = 0
    facts: Mapping[str, str] = field(default_factory=dict)


class Registered(NamedTuple):
    """A row. `next_key_hash` is of a key that the charger has been given and has not used yet."""

    charger: ChargerId
    spec: ChargerSpec
    origin: str
    next_key_hash: str
    about: About
    version: int = 0
    about_version: int = 0


def is_newer(theirs: Registered, own: Registered | None) -> tuple[bool, bool]:
    """Whether their registration is to be taken, and whether what they know of the charger is."""
    if own is None:
        return True, True
    return _registration(theirs) > _registration(own), _said(theirs) > _said(own)


def _registration(row: Registered) -> tuple[int, str]:
    return row.version, repr((row.origin, row.spec, row.next_key_hash))


def _said(row: Registered) -> tuple[int, str]:
    about = row.about
    return row.about_version, repr(
        (about.vendor, about.model, about.firmware, about.connectors, sorted(about.facts.items()))
    )
