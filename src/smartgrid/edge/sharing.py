"""Several edges share the substations: who has which, and what becomes of chargers that arrive elsewhere.

The parts are those of `sharding/`; here they stand between this edge's listener and its peers. The listener asks at
each connection, before it has judged anything: `pass_on` whether it is another edge's, which then has the socket; else
`vouched` what a peer that has passed it on to us has seen of it, which then stands in place of what we see. Nothing is
passed on twice: two edges that take each other for the owner would pass a charger round for ever.
"""

from __future__ import annotations

import logging
import time

from smartgrid.auth.credentials import Credentials
from smartgrid.edge.all_chargers import Peers
from smartgrid.edge.grid.grid import SubstationGrid
from smartgrid.edge.ocpp.admission import Proof
from smartgrid.edge.ocpp.handshake import Arrival
from smartgrid.edge.ocpp.listener import Listener
from smartgrid.edge.settings import EdgeSettings, parse_peers
from smartgrid.edge.sharding.facts import HEADER, Facts, load_secret
from smartgrid.edge.sharding.handover import Handover
from smartgrid.edge.sharding.membership import AWAY_S
from smartgrid.edge.sharding.passing_on import PassingOn
from smartgrid.edge.sharding.peers import MAX_PEERS
from smartgrid.edge.sharding.rendezvous import owner
from smartgrid.edge.sharding.shards import Shards
from smartgrid.runtime.log_pace import LogPace
from smartgrid.runtime.start_error import StartError

log = logging.getLogger(__name__)
_WHY = {"hint": "all edges need one SMARTGRID_PEER_SECRET_FILE, and clocks less than a minute apart"}


class Sharing:
    """Only for the event loop; alone, this edge has all substations."""

    def __init__(self, settings: EdgeSettings) -> None:
        """Raises StartError."""
        secret = load_secret(settings.peer_secret_file) if settings.peer_secret_file else None
        try:
            self.shards = Shards(settings.name, parse_peers(settings.peers), settings.peer_template)
        except ValueError as error:
            raise StartError(f"SMARTGRID_PEERS, SMARTGRID_PEER_TEMPLATE: {error}") from None
        self.passing = PassingOn(settings.name, secret, settings.max_chargers)
        self.has_peers = bool(settings.peers or settings.peer_template)
        self._name = settings.name
        self._handover: Handover | None = None
        self._heard_s: dict[str, float] = {}
        self._pace = LogPace(log)

    def begin(self, listener: Listener, grid: SubstationGrid) -> None:
        """Look for peers, and send chargers to where their substation is."""
        self._handover = Handover(self.shards, listener.links, grid.unwatch, grid.watched)
        self.shards.begin(self._handover.owners_changed)

    @property
    def handed_over(self) -> int:
        """Chargers sent away as another edge has their substation."""
        return 0 if self._handover is None else self._handover.handed_over

    def peers(self, credentials: Credentials) -> Peers:
        """For the HTTP API, whose threads ask: who is there is one object, replaced as a whole."""

        def owner_of(substation: str) -> str:
            return owner(substation, self.shards.members)

        def others() -> frozenset[str]:
            since_s = time.monotonic() - AWAY_S
            heard = {name for name, heard_s in list(self._heard_s.items()) if heard_s >= since_s}
            return (self.shards.members | heard) - {self._name}

        return Peers(self._name, owner_of, others, self.shards.http_url, credentials.client)

    def heard(self, name: str) -> None:
        """An edge has asked something, so it is there: before this one has seen it. From any thread."""
        if name in self._heard_s or len(self._heard_s) < MAX_PEERS:
            self._heard_s[name] = time.monotonic()

    async def close(self) -> None:
        await self.shards.close()
        if self._handover is not None:
            await self._handover.close()
        await self.passing.close()

    def vouched(self, arrival: Arrival) -> Proof | None:
        """What a peer has seen of it, if one has passed it on to us and is believed."""
        said = arrival.headers.get_all(HEADER)
        told = self.passing.believe(said, arrival.charger, time.time())
        if told is None:
            if said and self.passing.has_secret:
                self._pace.say("not believed", "what another edge has seen of a charger is not believed", _WHY)
            return None
        return arrival.proof._replace(
            address=told.address, is_encrypted=told.is_encrypted, certificate_name=told.certificate_name
        )

    def pass_on(self, arrival: Arrival) -> bool:
        """Whether it is another's, and has been handed to it. Nothing is passed on twice."""
        if HEADER in arrival.headers:
            return False
        peer = self.shards.route(arrival.charger)
        if peer is None:
            return False
        proof = arrival.proof
        seen = Facts(proof.is_encrypted, proof.certificate_name, proof.address)
        self.passing.take_over(arrival.transport, arrival.head, arrival.charger, seen, peer)
        return True
