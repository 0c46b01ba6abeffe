"""The rows of a substation's book, by session and by key: who is there, and which keys are still to be remembered.

A key has one session here at the most, until it is forgotten. What each owner has at once is counted as rows begin and
end, so that a quota holds exactly.
"""

from __future__ import annotations

from collections import OrderedDict

from smartgrid.domain.quotas import Tally, Used, use_of
from smartgrid.protocol.keys import MAX_KEYS, KeyLog
from smartgrid.substation.holding import Holding


class Rows:
    """Holdings; `log` tells others of their keys (`protocol.keys`), once whoever keeps the rows notes them there."""

    def __init__(self) -> None:
        self.log = KeyLog()
        self._by_id: dict[str, Holding] = {}
        self._by_digest: dict[str, Holding] = {}
        self._owners = Tally()
        self._ended: OrderedDict[str, Holding] = OrderedDict()  # in the order in which they will be forgotten

    def find(self, session_id: str) -> Holding | None:
        return self._by_id.get(session_id)

    def of_key(self, digest: str) -> Holding | None:
        return self._by_digest.get(digest)

    def used(self, owner: str) -> Used:
        """What an owner has at once, waiting or charging."""
        return self._owners.of(owner)

    def add(self, holding: Holding) -> None:
        """One that is new here, or was on the disk; of two sessions of one key the later counts."""
        earlier = self._by_digest.get(holding.digest)
        if earlier is not None and earlier.live is None:
            self.drop(earlier)
        self._by_id[holding.session_id] = self._by_digest[holding.digest] = holding
        if holding.start_digest is not None:
            self._by_digest[holding.start_digest] = holding
        if holding.ended_wall_s is not None:
            self._ended[holding.session_id] = holding
        if (use := holding.use) is not None:
            self._owners.begin(use.owner, use_of(use.power_kw))

    def end(self, holding: Holding, ended_wall_s: float) -> None:
        """It has ended: its owner may have another session in its place, and its key will be forgotten some day."""
        self._count_no_more(holding)
        holding.ended_wall_s = ended_wall_s
        self._ended[holding.session_id] = holding

    def want(self, holding: Holding) -> None:
        """Its key was asked for once more: it is remembered for as long from now, if it has ended."""
        if holding.session_id in self._ended:
            self._ended.move_to_end(holding.session_id)

    def plug_in(self, holding: Holding, digest: str) -> None:
        """It has come to a charger, under a key of that: the session is found by either."""
        holding.start_digest = digest
        self._by_digest[digest] = holding

    def take_back(self, holding: Holding) -> None:
        """It has never been."""
        self._count_no_more(holding)
        self.drop(holding)

    def drop(self, holding: Holding) -> None:
        """Forget it and its key."""
        del self._by_id[holding.session_id]
        self._ended.pop(holding.session_id, None)
        for digest in (holding.digest, holding.start_digest):
            if digest is not None and self._by_digest.get(digest) is holding:
                del self._by_digest[digest]
        self.log.forget(holding.session_id)

    def next_to_forget(self, wanted_before_s: float) -> Holding | None:
        """The ended one that is to be forgotten first, if nobody has wanted it since then or there are too many."""
        oldest = next(iter(self._ended.values()), None)
        if oldest is None or (len(self._ended) <= MAX_KEYS and oldest.last_wanted_s() > wanted_before_s):
            return None
        return oldest

    def _count_no_more(self, holding: Holding) -> None:
        if (use := holding.use) is not None:
            self._owners.end(use.owner, use_of(use.power_kw))
