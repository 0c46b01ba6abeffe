"""Substations from a fixed list."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from smartgrid.balancer.discovery import Member, Publish
from smartgrid.http_client.urls import check_url
from smartgrid.protocol.models import MEMBER_NAME
from smartgrid.runtime.start_error import StartError

RETRY_S = 1.0
AskName = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Listed:
    """An item of the list: a URL, and its name unless it is to be asked for it."""

    url: str
    name: str | None


def parse(text: str) -> list[Listed]:
    """Read `url` or `name=url`, separated by commas. Raises StartError saying what is wrong with which item."""
    return [_entry(item.strip()) for item in text.split(",") if item.strip()]


def _entry(item: str) -> Listed:
    name, separator, url = item.partition("=")
    name, url = (name.strip(), url.strip()) if separator and "://" not in name else ("", item)
    if name and not MEMBER_NAME.fullmatch(name):
        raise StartError(f"SMARTGRID_SUBSTATIONS: {name!r} is no DNS label (a-z, 0-9 and inner hyphens)")
    try:
        return Listed(check_url(url), name or None)
    except ValueError as error:
        raise StartError(f"SMARTGRID_SUBSTATIONS: {item!r}: {error}") from error


class StaticDiscovery:
    """Publishes the list; entries without a name follow as soon as they have answered with it."""

    source = "static"

    def __init__(self, entries: Sequence[Listed], ask_name: AskName) -> None:
        self._entries, self._ask_name = entries, ask_name
        self._published = False

    def run(self, publish: Publish, stop: threading.Event) -> None:
        known = {entry.url: entry.name for entry in self._entries}
        while not stop.is_set():
            known = {url: name or self._ask_name(url) for url, name in known.items()}
            publish(frozenset(Member(name, url) for url, name in known.items() if name))
            self._published = True
            stop.wait(None if all(known.values()) else RETRY_S)

    def sync_age_s(self, now_s: float) -> float:
        return 0.0 if self._published else math.inf
