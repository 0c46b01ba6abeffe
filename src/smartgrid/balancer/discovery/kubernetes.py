"""Substations from the EndpointSlices of a Kubernetes Service.

Four layers, each with one concern, as in kopf: never give up (`run`), list then watch (`_list_and_watch`), turn a
410 into a new list (an exception between the two), and go on after a stream that ended or fell silent (`_watch`).
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterable

from smartgrid.balancer.discovery import Member, Publish
from smartgrid.balancer.discovery.api_server import (
    ApiServerError,
    EndpointSlices,
    Event,
    ResourceGoneError,
    Timeouts,
    configured,
)
from smartgrid.balancer.discovery.endpoints import Slice, as_object, members
from smartgrid.runtime.backoff import Backoff

RELIST_S = 600.0
"""A new list that often, whatever the watch says: it heals a server that was restored from a backup."""
SHORT_STREAM_S = 1.0
"""A watch that ended sooner is followed by a pause: some server, or proxy, might end every one at once."""

log = logging.getLogger(__name__)


class KubernetesDiscovery:
    """Publishes the usable pods of a Service within milliseconds of the API server's telling.

    While the API server is away, what was published last stands. Raises StartError when there are no credentials.
    """

    source = "kubernetes"

    def __init__(
        self,
        namespace: str,
        service: str,
        port: str = "http",
        *,
        timeouts: Timeouts | None = None,
        backoff: Backoff | None = None,
        relist_s: float = RELIST_S,
    ) -> None:
        """`namespace` may be empty: the pod's own, or the kubeconfig's. `port` is the name of the Service's port."""
        client, own_namespace = configured()
        self._where = f"{namespace or own_namespace}/{service}"
        self._api = EndpointSlices(client, namespace or own_namespace, service, timeouts or Timeouts())
        self._port, self._relist_s = port, relist_s
        self._backoff = backoff or Backoff()
        self._confirmed_s = -math.inf
        self._published: frozenset[Member] | None = None
        self._problem: str | None = None

    def sync_age_s(self, now_s: float) -> float:
        """At most about `Timeouts.stream_s` while all is well."""
        return now_s - self._confirmed_s

    def run(self, publish: Publish, stop: threading.Event) -> None:
        threading.Thread(target=self._interrupt_at, args=(stop,), name="kubernetes-stop", daemon=True).start()
        while not stop.is_set():
            try:
                self._list_and_watch(publish, stop)
            except ResourceGoneError:
                log.info("The watch of %s is too old for the API server: listing anew.", self._where)
            except ApiServerError as error:
                self._failed(str(error))
            except Exception:  # discovery never gives up: a fleet that is frozen for good is worse than a strange one
                log.exception("Discovery of %s failed unexpectedly; trying again.", self._where)
            stop.wait(self._backoff.next_s())

    def _interrupt_at(self, stop: threading.Event) -> None:
        stop.wait()
        self._api.interrupt()

    def _list_and_watch(self, publish: Publish, stop: threading.Event) -> None:
        listed, version = self._api.list_all()
        listed_s = time.monotonic()
        slices = {_uid(piece): piece for piece in listed}
        self._confirm(slices.values(), publish)
        while version and not stop.is_set() and time.monotonic() - listed_s < self._relist_s:
            version = self._watch(slices, version, publish, stop)

    def _watch(self, slices: dict[str, Slice], version: str, publish: Publish, stop: threading.Event) -> str:
        """One stream, to its end; the version to go on from."""
        began_s = time.monotonic()
        for event in self._api.watch(version):
            if event is not None:
                version = apply(event, slices) or version
                self._backoff.succeeded()
            self._confirm(slices.values(), publish)
        if time.monotonic() - began_s < SHORT_STREAM_S:
            stop.wait(self._backoff.next_s())
        else:
            self._backoff.succeeded()
        return version

    def _confirm(self, slices: Iterable[Slice], publish: Publish) -> None:
        self._confirmed_s = time.monotonic()
        if self._problem is not None:
            log.info("The API server answers again; the fleet of %s is up to date.", self._where)
            self._problem = None
        found = members(slices, self._port)
        if found != self._published:
            away = sum(member.away for member in found)
            log.info("The fleet of %s: %d substations, and %d away.", self._where, len(found) - away, away)
            publish(found)
            self._published = found

    def _failed(self, problem: str) -> None:
        if problem != self._problem:  # said once, not at every try of a long outage
            log.warning("No news of %s from the API server: %s. The last known fleet stands.", self._where, problem)
        self._problem = problem


def apply(event: Event, slices: dict[str, Slice]) -> str:
    """Bring `slices`, by UID, up to date with one event, the freshest last. The version to go on from, or empty."""
    piece = as_object(event.get("object"))
    kind = event.get("type")
    if kind in ("ADDED", "MODIFIED", "DELETED"):
        slices.pop(_uid(piece), None)
    if kind in ("ADDED", "MODIFIED"):
        slices[_uid(piece)] = piece
    return str(as_object(piece.get("metadata")).get("resourceVersion") or "")


def _uid(piece: Slice) -> str:
    metadata = as_object(piece.get("metadata"))
    return str(metadata.get("uid") or metadata.get("name"))
