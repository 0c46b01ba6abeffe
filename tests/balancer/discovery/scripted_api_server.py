"""A Kubernetes API server that follows a script, over real HTTP, and what tests of discovery look at."""

from __future__ import annotations

import json
import queue
import socket
import ssl
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from smartgrid.balancer.discovery import Member
from smartgrid.balancer.discovery.kubernetes import KubernetesDiscovery
from support.processes import wait_until

LIMIT_S = 20.0
TOKEN = "a-service-account-token"
END, CUT = "end", "cut"


def endpoint(name: str, address: str, **conditions: bool | None) -> dict[str, Any]:
    return {
        "addresses": [address],
        "conditions": conditions,
        "targetRef": {"kind": "Pod", "name": name, "namespace": "grid"},
    }


def endpoint_slice(name: str, *endpoints: dict[str, Any], version: str = "1", **fields: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": version},
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    } | fields


@dataclass
class Stream:
    """The answer to one watch: what is sent, live; it stays open until END (orderly) or CUT (the connection breaks)."""

    script: queue.Queue[Any] = field(default_factory=queue.Queue)

    def send(self, kind: str, body: dict[str, Any]) -> None:
        self.script.put(json.dumps({"type": kind, "object": body}).encode() + b"\n")

    def send_raw(self, text: bytes) -> None:
        self.script.put(text)

    def end(self) -> None:
        self.script.put(END)

    def cut(self) -> None:
        self.script.put(CUT)


@dataclass
class Refusal:
    """The answer to a list or a watch: a status."""

    code: int
    reason: str = "scripted"


@dataclass
class Listing:
    slices: list[dict[str, Any]]
    version: str = "10"

    def body(self) -> dict[str, Any]:
        return {"kind": "EndpointSliceList", "metadata": {"resourceVersion": self.version}, "items": self.slices}


class Script:
    """What the server answers: each list and watch takes the next. The last list stands; watches then stay open."""

    def __init__(self, *lists: Listing | Refusal) -> None:
        self.lists: list[Listing | Refusal] = list(lists)
        self.watches: list[Stream | Refusal] = []
        self.requests: list[dict[str, str]] = []
        self.authorizations: set[str | None] = set()
        self.opened: queue.Queue[Stream] = queue.Queue()
        self.closing = threading.Event()

    def next_list(self) -> Listing | Refusal:
        return self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]

    def next_watch(self) -> Stream | Refusal:
        answer = self.watches.pop(0) if self.watches else Stream()
        if isinstance(answer, Stream):
            self.opened.put(answer)
        return answer

    def stream(self) -> Stream:
        """The next stream that a client opens."""
        return self.opened.get(timeout=LIMIT_S)

    def count(self, *, watch: bool) -> int:
        return sum(("watch" in request) is watch for request in self.requests)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    script: Script

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        self.script.requests.append(query | {"path": urlsplit(self.path).path})
        self.script.authorizations.add(self.headers["Authorization"])
        answer = self.script.next_watch() if query.get("watch") else self.script.next_list()
        if isinstance(answer, Stream):
            self._stream(answer)
        elif isinstance(answer, Listing):
            self._answer(200, answer.body())
        else:
            self._answer(answer.code, {"kind": "Status", "code": answer.code, "reason": answer.reason})

    def _answer(self, code: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, stream: Stream) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while not self.script.closing.is_set():
            try:
                part = stream.script.get(timeout=0.05)
            except queue.Empty:
                continue
            if part == END:
                self.wfile.write(b"0\r\n\r\n")
                return
            if part == CUT:
                break
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Silent: the tests say what they expect."""


class ApiServer(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, script: Script, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", port), type("ScriptedHandler", (Handler,), {"script": script}))
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.script = script
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the script."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        self.script.closing.set()
        self.shutdown()
        self.server_close()


class Fleet:
    """What was published, in order."""

    def __init__(self) -> None:
        self.history: list[dict[str, str]] = []

    def __call__(self, members: frozenset[Member]) -> None:
        self.history.append({member.name: member.url for member in members if not member.away})

    def until(self, *names: str) -> dict[str, str]:
        """Wait for a fleet of exactly these names."""
        wait_until(lambda: bool(self.history) and set(self.history[-1]) == set(names), what=f"a fleet of {names}")
        return self.history[-1]


@dataclass
class Running:
    """A discovery at work."""

    discovery: KubernetesDiscovery
    fleet: Fleet
    stop: threading.Event
    thread: threading.Thread

    def end(self) -> bool:
        """Whether it returned once told to stop."""
        self.stop.set()
        self.thread.join(LIMIT_S)
        return not self.thread.is_alive()
