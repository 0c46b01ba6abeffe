"""The two calls to the Kubernetes API that discovery makes: list the EndpointSlices of a Service, and watch them.

The answers are read as plain JSON: the client's model classes refuse `endpoints: null`, which the API may send, and
cost memory. Its `Watch` is not used either: it hides a 410, and hangs on a connection that died.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from smartgrid.balancer.discovery.endpoints import Slice, as_list, as_object
from smartgrid.runtime.start_error import StartError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration
    from urllib3 import BaseHTTPResponse

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
HTTP_GONE = 410

log = logging.getLogger(__name__)
Event = dict[str, Any]


class ResourceGoneError(Exception):
    """The version to watch from is older than what the API server remembers: list anew."""


class ApiServerError(Exception):
    """The API server refused, or could not be reached; the message says which."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Three, as each catches what the others do not, in seconds."""

    connect_s: float = 5.0
    """For a connection: a host that is down answers nothing at all."""
    answer_s: float = 10.0
    """For each piece of a list."""
    stream_s: int = 30
    """After which the server ends a watch. Each new one confirms that the fleet is still what was published."""
    silence_s: float = 40.0
    """Without a byte on a watch. Longer than `stream_s`, so that only a dead connection reaches it."""


class EndpointSlices:
    """The EndpointSlices of one Service, by the API. For one thread, but for `interrupt`."""

    def __init__(self, client: ApiClient, namespace: str, service: str, timeouts: Timeouts) -> None:
        from kubernetes.client.api.discovery_v1_api import DiscoveryV1Api

        self._list = DiscoveryV1Api(client).list_namespaced_endpoint_slice
        self._namespace, self._timeouts = namespace, timeouts
        self._selector = f"kubernetes.io/service-name={service}"
        self._stream: BaseHTTPResponse | None = None
        self._interrupted = False

    def list_all(self) -> tuple[list[Slice], str]:
        """All slices, and the version to watch from. Raises ApiServerError."""
        with self._request((self._timeouts.connect_s, self._timeouts.answer_s)) as response:
            body = _parsed(_read(response))
        return [each for each in as_list(body.get("items")) if isinstance(each, dict)], _version(body)

    def watch(self, version: str) -> Iterator[Event | None]:
        """Changes after `version`, until the stream ends, breaks or falls silent; the next can go on from there.

        Begins with None, when the server has accepted the watch. Raises ResourceGoneError, and ApiServerError when the
        server refuses.
        """
        timeouts = self._timeouts
        with self._request(
            (timeouts.connect_s, timeouts.silence_s),
            resource_version=version,
            watch=True,
            allow_watch_bookmarks=True,
            timeout_seconds=timeouts.stream_s,
        ) as response:
            self._stream = response
            yield None
            try:
                for line in _lines(response, lambda: self._interrupted):
                    yield _event(line)
            finally:
                self._stream = None

    def interrupt(self) -> None:
        """End a watch at once, from another thread; later ones end as they begin."""
        self._interrupted = True
        if (stream := self._stream) is not None:
            try:
                stream.shutdown()
            except (OSError, ValueError, RuntimeError) as error:  # it has ended by itself
                log.debug("The watch had ended already: %s", error)

    def _request(self, timeout_s: tuple[float, float], **query: Any) -> BaseHTTPResponse:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            answer = self._list(
                self._namespace,
                label_selector=self._selector,
                _preload_content=False,
                _request_timeout=timeout_s,
                **query,
            )
        except ApiException as error:
            if error.status == HTTP_GONE:
                raise ResourceGoneError(str(error.reason)) from error
            raise ApiServerError(f"it answered {error.status} {error.reason}") from error
        except (HTTPError, OSError) as error:
            raise ApiServerError(f"it cannot be reached ({error})") from error
        return cast("BaseHTTPResponse", answer)


def _read(response: BaseHTTPResponse) -> bytes:
    from urllib3.exceptions import HTTPError

    try:
        return response.read()
    except (HTTPError, OSError) as error:
        raise ApiServerError(f"its answer broke off ({error})") from error


def _lines(response: BaseHTTPResponse, interrupted: Callable[[], bool]) -> Iterator[bytes]:
    """Whole lines only: a line that broke off with the connection comes again on the next watch."""
    from urllib3.exceptions import HTTPError

    pending = b""
    chunks = response.stream(None)
    while not interrupted():
        try:
            chunk = next(chunks, None)
        except (HTTPError, OSError) as error:
            log.debug("The watch broke off: %s", error)
            return
        if chunk is None:
            return
        *lines, pending = (pending + chunk).split(b"\n")
        yield from filter(None, lines)


def _event(line: bytes) -> Event:
    event = _parsed(line)
    if not isinstance(event.get("object"), dict):
        raise ApiServerError("it told of a change without an object")
    if event.get("type") != "ERROR":
        return event
    status = as_object(event.get("object"))
    if status.get("code") == HTTP_GONE:
        raise ResourceGoneError(str(status.get("message")))
    raise ApiServerError(f"it ended the watch with {status.get('code')} {status.get('message')}")


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError as error:
        raise ApiServerError(f"its answer is no JSON ({error})") from error
    if not isinstance(body, dict):
        raise ApiServerError("its answer is no JSON object")
    return body


def _version(body: dict[str, Any]) -> str:
    return str(as_object(body.get("metadata")).get("resourceVersion") or "")


def configured() -> tuple[ApiClient, str]:
    """A client with the pod's own credentials, or outside a cluster the kubeconfig's; and the namespace of either.

    Raises StartError when there are no credentials, and when the balancer was installed without the client.
    """
    try:
        from kubernetes.client.api_client import ApiClient
        from kubernetes.client.configuration import Configuration
    except ImportError as error:
        raise StartError("SMARTGRID_DISCOVERY=kubernetes needs the package `smartgrid[balancer]`") from error
    configuration = Configuration()
    # Retries are this module's own, with backoff; urllib3 would retry at once.
    configuration.retries = 0
    namespace = _load_credentials(configuration)
    return ApiClient(configuration), namespace


def _load_credentials(configuration: Configuration) -> str:
    from kubernetes.config import incluster_config, kube_config
    from kubernetes.config.config_exception import ConfigException

    # The library reads this variable once, at import.
    file = os.environ.get("KUBECONFIG")
    try:
        if (SERVICE_ACCOUNT / "token").exists():
            incluster_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            return (SERVICE_ACCOUNT / "namespace").read_text().strip()
        kube_config.load_kube_config(config_file=file, client_configuration=configuration)  # type: ignore[no-untyped-call]
        _, active = kube_config.list_kube_config_contexts(config_file=file)  # type: ignore[no-untyped-call]
        return str(active["context"].get("namespace") or "default")
    except (ConfigException, OSError) as error:
        raise StartError(f"SMARTGRID_DISCOVERY=kubernetes needs a service account or a kubeconfig: {error}") from error
