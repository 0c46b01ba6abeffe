"""Where the substations are.

They are named in a setting, or the balancer is asked, every `INTERVAL_S` and at once when a call to a substation has
failed: a pod that comes back at another address is followed as soon as the balancer knows it. What was learnt is kept
in a file, so that an edge can start, and go on, while there is no balancer; and a substation that the balancer no
longer names is still known, as its chargers are wired to it, whoever is away. Beyond `MAX_SUBSTATIONS` the one that was
named longest ago is forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from smartgrid.auth.credentials import Credentials
from smartgrid.http_client.answer import MAX_LIST_BYTES, Answer, BrokenAnswerError
from smartgrid.http_client.async_client import AsyncClient
from smartgrid.http_client.urls import check_url
from smartgrid.protocol.models import MEMBER_NAME
from smartgrid.runtime.backoff import Backoff
from smartgrid.runtime.bounded_file import first_bytes
from smartgrid.runtime.private_file import write_private

INTERVAL_S = 5.0
LEAST_PAUSE_S = 0.5
LONGEST_RETRY_S = 10.0
TIMEOUT_S = 5.0
MAX_SUBSTATIONS = 10_000
FILE = "substations.json"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a substation is. `host` is what requests name as theirs, where that is not the URL's (a mesh wants it)."""

    url: str
    host: str = ""


class _Member(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    name: str = Field(max_length=63)
    url: str = Field(max_length=512)
    host: str | None = Field(None, max_length=255)


class _Fleet(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    substations: Annotated[list[_Member], Field(max_length=MAX_SUBSTATIONS)]


_KEPT = TypeAdapter(list[_Member])


class Directory:
    """The substations by name. Only for the event loop; `begin` there, and `close`."""

    def __init__(
        self, fixed: Mapping[str, str], balancer_url: str, credentials: Credentials, data_dir: Path | None = None
    ) -> None:
        """`fixed` are URLs by name; only where there are none is the balancer asked, and `data_dir` written to."""
        self._places = {name: Place(check_url(url)) for name, url in fixed.items()}
        self._is_fixed = bool(fixed)
        self._balancer_url, self._credentials = balancer_url, credentials
        self._file = None if data_dir is None or fixed else data_dir / FILE
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.on_change: Callable[[str], None] = lambda _substation: None
        """Is told whose place is another now, or known at last."""
        self.is_answered = self._is_fixed
        """Whether the last question to the balancer was answered."""
        if self._file is not None:
            self._places.update(_kept(self._file))

    def place(self, substation: str) -> Place | None:
        return self._places.get(substation)

    def names(self) -> list[str]:
        return list(self._places)

    def ask(self) -> None:
        """Ask the balancer soon: a substation was not where it should be."""
        self._wanted.set()

    def begin(self) -> None:
        if not self._is_fixed:
            self._task = asyncio.get_running_loop().create_task(self._ask_forever())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _ask_forever(self) -> None:
        credential = self._credentials.of(self._balancer_url)
        client = AsyncClient(
            self._balancer_url,
            connect_timeout_s=TIMEOUT_S,
            ca_file=credential.ca_file,
            extra_headers=credential.headers,
            max_answer_bytes=MAX_LIST_BYTES,
        )
        backoff = Backoff(LEAST_PAUSE_S, LONGEST_RETRY_S)
        try:
            while True:
                pause_s = INTERVAL_S * backoff.jitter.uniform(0.8, 1.0)
                try:
                    found = await client.request("GET", "/substations", timeout_s=TIMEOUT_S, resend=True)
                    await self._take(_members(found))
                    backoff.succeeded()
                    self.is_answered = True
                except (OSError, TimeoutError, BrokenAnswerError, ValueError) as error:
                    pause_s = backoff.next_s()
                    self._complain(error)
                self._wanted.clear()
                await asyncio.sleep(LEAST_PAUSE_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._wanted.wait()
        finally:
            client.close()

    def _complain(self, error: Exception) -> None:
        if self.is_answered or not self._places:
            log.warning("the balancer does not tell where the substations are: %s", error)
        self.is_answered = False

    async def _take(self, members: Mapping[str, Place]) -> None:
        changed = [name for name, place in members.items() if self._places.get(name) != place]
        for name, place in members.items():
            self._places.pop(name, None)  # so that those named last are last
            self._places[name] = place
        while len(self._places) > MAX_SUBSTATIONS:
            del self._places[next(iter(self._places))]
        for name in changed:
            self.on_change(name)
        if changed and self._file is not None:
            await self._keep(self._file)

    async def _keep(self, file: Path) -> None:
        kept = [{"name": name, "url": place.url, "host": place.host} for name, place in self._places.items()]
        try:
            await asyncio.to_thread(write_private, file, to_json(kept))
        except OSError as error:
            log.warning("where the substations are cannot be kept for the next start: %s", error)


def _members(answer: Answer) -> dict[str, Place]:
    """Those that a balancer names and that can be. Raises ValueError where it names none that way."""
    if answer.status != 200:
        raise ValueError(f"its answer has the status {answer.status}")
    try:
        return _possible(_Fleet.model_validate_json(answer.body).substations)
    except ValidationError as error:
        raise ValueError(f"its answer is no list of substations: {error.errors()[0]['msg']}") from None


def _possible(members: list[_Member]) -> dict[str, Place]:
    found: dict[str, Place] = {}
    for member in members:
        with suppress(ValueError):
            if MEMBER_NAME.fullmatch(member.name):
                found.setdefault(member.name, Place(check_url(member.url), member.host or ""))
    return found


def _kept(file: Path) -> dict[str, Place]:
    """What was kept. A file that cannot be read is as good as none: the balancer will tell."""
    try:
        content: Any = first_bytes(file, MAX_LIST_BYTES)
        return _possible(_KEPT.validate_json(content))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("where the substations were is not known from the last run: %s", error)
        return {}
