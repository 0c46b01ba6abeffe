"""What other edges ask of this one's registry."""

from __future__ import annotations

import re
from collections.abc import Callable

from flask import Response, request

from smartgrid.auth.scopes import GRID_SERVICE
from smartgrid.edge.registry.store import Registry
from smartgrid.edge.registry.wire import MAX_ROWS, MAX_VERSION, ChangesBody, to_wire
from smartgrid.protocol.headers import EDGE
from smartgrid.protocol.models import MEMBER_NAME
from smartgrid.web.app import answer, query_int
from smartgrid.web.openapi import operation
from smartgrid.web.parameters import text, whole
from smartgrid.web.problems import ProblemError
from smartgrid.web.routes import route

EPOCH = re.compile(r"[0-9a-f]{1,64}")
CHANGES_QUERY = {
    "epoch": text("The epoch of the last answer, that of `since`.", EPOCH.pattern, 64),
    "since": whole("The sequence of the last answer.", 0, MAX_VERSION),
}


class RegistryViews:
    """The views."""

    def __init__(self, registry: Registry, heard: Callable[[str], None] = lambda name: None) -> None:
        """`heard` is told of each edge that asks: it does so before it takes its first charger."""
        self._registry, self._heard = registry, heard

    @route("GET", "/registry/changes")
    @operation(
        "Registrations of chargers that have changed, for another edge",
        answers={200: ChangesBody},
        problems=(422,),
        query=CHANGES_QUERY,
        needs=(GRID_SERVICE,),
    )
    def changes(self) -> Response:
        since, epoch = query_int("since", 0, 0, MAX_VERSION), request.args.get("epoch")
        if epoch is not None and not EPOCH.fullmatch(epoch):
            raise ProblemError(422, "invalid-request", "epoch must be that of an answer before, or absent.")
        asker = request.headers.get(EDGE, "")
        if MEMBER_NAME.fullmatch(asker):
            self._heard(asker)
        if epoch != self._registry.epoch:
            since = 0
        rows, sequence = self._registry.changes(since, MAX_ROWS)
        found = [to_wire(row) for row in rows]
        epoch, is_end = self._registry.epoch, len(rows) < MAX_ROWS
        return answer({"epoch": epoch, "sequence": sequence, "is_end": is_end, "rows": found})
