"""How one substation is called: where it is, with which token, and that it is itself that answers.

Nothing that a substation answers is believed because it is there: an address may by now be another one's. Each answer
names who it is from (the header Smartgrid-Status), and one from someone else is as good as none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from smartgrid.auth.credentials import Credentials
from smartgrid.edge.grid import report_box
from smartgrid.edge.grid.directory import Directory, Place
from smartgrid.edge.grid.offers import AbsurdAnswerError
from smartgrid.http_client.answer import Answer, BrokenAnswerError
from smartgrid.http_client.async_client import AsyncClient
from smartgrid.protocol import status_header
from smartgrid.protocol.headers import STATUS

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 10.0
FAILURES = (OSError, TimeoutError, BrokenAnswerError, ValueError)
log = logging.getLogger(__name__)


class NotAnsweredError(Exception):
    """No answer that is this substation's; why is told."""


class Contact:
    """Only for the event loop."""

    def __init__(self, name: str, directory: Directory, credentials: Credentials) -> None:
        self.name, self.directory = name, directory
        self._credentials = credentials
        self._placed = asyncio.Event()
        self._complaint = ""

    def has_moved(self) -> None:
        """The directory knows a place for it, or another one."""
        self._placed.set()

    async def place(self) -> Place:
        """Wait until it is known where it is."""
        while (place := self.directory.place(self.name)) is None:
            self._placed.clear()
            self.directory.ask()
            await self._placed.wait()
        return place

    def client(self, place: Place, max_answer_bytes: int = report_box.MAX_ANSWER_BYTES) -> AsyncClient:
        credential = self._credentials.of(place.url)
        return AsyncClient(
            place.url,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            host=place.host,
            ca_file=credential.ca_file,
            extra_headers=credential.headers,
            max_answer_bytes=max_answer_bytes,
        )

    async def ask(
        self,
        client: AsyncClient,
        method: str,
        path: str,
        *,
        timeout_s: float = ANSWER_TIMEOUT_S,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Its answer, whatever the status. Raises NotAnsweredError or one of FAILURES."""
        sent = {STATUS: status_header.WANTED, **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
        answer = await client.request(method, path, timeout_s=timeout_s, body=body, headers=sent, resend=True)
        named = status_header.decode(answer.headers.get(STATUS), 0.0)
        if named is not None and named[0] != self.name:
            client.close()
            raise NotAnsweredError(f"at its address is {named[0]}")
        return answer

    def complain(self, error: Exception) -> None:
        """Log it: once for each complaint, until it is well again."""
        complaint = str(error) or type(error).__name__
        if complaint == self._complaint:
            return
        self._complaint = complaint
        is_known = isinstance(error, (*FAILURES, NotAnsweredError, AbsurdAnswerError))
        log.log(
            logging.WARNING if is_known else logging.ERROR,
            "the substation is not reached: %s",
            complaint,
            extra={"substation": self.name},
            exc_info=None if is_known else error,
        )

    def is_well(self) -> None:
        """What was complained of is over."""
        self._complaint = ""
