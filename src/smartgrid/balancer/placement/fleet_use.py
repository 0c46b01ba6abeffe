"""How much each owner has at once in the whole fleet, as far as this balancer knows, and whether one may have more.

What an owner has is what the directory has of sessions that charge: each entry of a member's log says whose the
session is and how much power it takes at the most, until it has ended (`protocol.keys.OwnUse`). It is counted as
entries change, so nothing is ever walked over but the members at which this one owner has sessions.

A car that is on its way has a claim. Without one, ten cars of one owner that come at once would all find room in the
quota. The claim ends when the directory gets the session, in the same step, so that nothing is counted twice or not at
all; or when the car is not placed. So of what one balancer places itself it is exact.

It is soft in what others place: that counts once the substation's log says so, and within that time n balancers may
let one owner have n times the quota (docs/protocol.md, "What remains"). And it errs for the driver: what is at a member
that is away or does not answer is not counted, since the car may have had to move on because of just that. A
substation's own quota is exact (`substation.book`).

Thread-safe. Its lock is taken within the directory's, and never the other way round.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from smartgrid.domain.quotas import UNBOUNDED, Quota, Tally, Used, use_of
from smartgrid.protocol.keys import OwnUse


class FleetUse:
    """What owners have, and what they may have."""

    def __init__(self, quota: Quota = UNBOUNDED) -> None:
        """Without a quota nothing is counted, and everything is allowed."""
        self._quota = quota
        self._lock = threading.Lock()
        self._by_owner: dict[str, Tally] = {}  # by member
        self._claims: dict[str, dict[str, Used]] = {}  # by owner, and the digest of the car's key

    def changed(self, member: str, digest: str, before: OwnUse | None, after: OwnUse | None) -> None:
        """What a session of this key takes of a quota is another; the claim of a car with this key has come true."""
        if not self._quota or before == after:
            return
        with self._lock:
            if before is not None:
                tally = self._by_owner[before.owner]
                tally.end(member, use_of(before.power_kw))
                if not len(tally):
                    del self._by_owner[before.owner]
            if after is not None:
                self._by_owner.setdefault(after.owner, Tally()).begin(member, use_of(after.power_kw))
                self._release(digest, after.owner)

    def claim(self, digest: str, wanted: OwnUse, is_counted: Callable[[str], bool]) -> bool:
        """Whether the owner may have this too, and has it from now on until `release`.

        `is_counted` says of a member whether what the owner has there counts.
        """
        if not self._quota:
            return True
        with self._lock:
            members = [member for member, _ in self._by_owner.get(wanted.owner, ())]
        absent = {member for member in members if not is_counted(member)}
        with self._lock:
            claims = self._claims.get(wanted.owner, {})
            used = use_of(wanted.power_kw)
            for claimed in claims.values():
                used = used.plus(claimed)
            for member, there in self._by_owner.get(wanted.owner, ()):
                if member not in absent:
                    used = used.plus(there)
            if not self._quota.allows(used):
                return False
            self._claims.setdefault(wanted.owner, {})[digest] = use_of(wanted.power_kw)
            return True

    def release(self, digest: str, owner: str) -> None:
        """The car is placed, or will not be."""
        with self._lock:
            self._release(digest, owner)

    def _release(self, digest: str, owner: str) -> None:
        claims = self._claims.get(owner)
        if claims is not None and claims.pop(digest, None) is not None and not claims:
            del self._claims[owner]
