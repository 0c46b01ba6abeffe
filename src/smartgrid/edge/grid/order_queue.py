"""Orders to one substation: up to `MAX_ORDERS` are under way, and `MAX_WAITING` wait.

A start or an end may be done twice without harm (`orders.py`), so each is tried once here, and whoever ordered it tries
again (`transactions.deliveries`, which has no more under way than this takes: nothing waits here unless somebody else
gives orders too). Connections are kept from one order to the next, for as long as the substation is where they lead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from smartgrid.edge.grid.contact import FAILURES, Contact, NotAnsweredError
from smartgrid.http_client.answer import Answer
from smartgrid.http_client.async_client import AsyncClient

MAX_ORDERS = 8
MAX_WAITING = 10_000


class OrderQueue:
    """Only for the event loop."""

    def __init__(self, contact: Contact) -> None:
        self._contact = contact
        self._idle: list[AsyncClient] = []
        self._may_order = asyncio.Semaphore(MAX_ORDERS)
        self._waiting = 0

    async def order(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """One try. Raises NotAnsweredError."""
        if self._waiting >= MAX_WAITING:
            raise NotAnsweredError(f"{MAX_WAITING} orders wait for {self._contact.name} already")
        self._waiting += 1
        try:
            async with self._may_order:
                return await self._order(path, body, headers)
        finally:
            self._waiting -= 1

    def close_idle(self) -> None:
        """Close the connections that no order uses."""
        for client in self._idle:
            client.close()
        self._idle.clear()

    async def _order(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        contact, directory = self._contact, self._contact.directory
        place = directory.place(contact.name)
        if place is None:
            directory.ask()
            raise NotAnsweredError(f"it is not known where {contact.name} is")
        client = self._idle.pop() if self._idle else contact.client(place)
        try:
            answer = await contact.ask(client, "POST", path, body=body, headers=headers)
        except (*FAILURES, NotAnsweredError) as error:
            client.close()
            directory.ask()
            raise NotAnsweredError(f"{contact.name} does not answer: {error or type(error).__name__}") from error
        except BaseException:
            client.close()
            raise
        if place == directory.place(contact.name):
            self._idle.append(client)
        else:
            client.close()
        return answer
