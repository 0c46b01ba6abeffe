"""`make fuzz-parsers`: a coverage-guided fuzzer (atheris, libFuzzer) on everything that reads what comes from outside.

Each parser may refuse what it is given, in the way that it promises, and nothing else: any other exception, a hang of
more than `TIMEOUT_S` for one input, or memory beyond `MEMORY_MB` ends the run, and the input is kept. For each parser a
process of its own, since libFuzzer ends with its process; `--inputs` says how many inputs each one gets.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import atheris
import click

with atheris.instrument_imports(include=["smartgrid", "jwt"]):
    from pydantic import ValidationError
    from pydantic_core import from_json

    from smartgrid.auth import issuers, key_set, tokens
    from smartgrid.auth.key_set import KeySetError
    from smartgrid.auth.tokens import TokenError
    from smartgrid.balancer import member_answers, targets
    from smartgrid.balancer.console import login
    from smartgrid.balancer.console.sealed import Sealer
    from smartgrid.balancer.discovery import endpoints, static
    from smartgrid.edge.ocpp import certificates, path
    from smartgrid.edge.ocpp.conversation import Conversation, HandUp
    from smartgrid.edge.ocpp.counters import Counters
    from smartgrid.edge.ports import OcppVersion
    from smartgrid.edge.registry import spec
    from smartgrid.edge.registry.wire import ChangesBody, from_wire
    from smartgrid.http_client.answer import AnswerParser, BrokenAnswerError
    from smartgrid.http_server import rate
    from smartgrid.http_server.client_address import client_address, networks
    from smartgrid.http_server.request import RefusedError, RequestParser
    from smartgrid.protocol import keys, numbers, session_id, status_header, tracing
    from smartgrid.protocol.models import CapacityBody, ChargeBody, RegistrationBody
    from smartgrid.runtime.start_error import StartError
    from smartgrid.web import paging
    from smartgrid.web.problems import ProblemError

from support.tokens import SigningKey, claims, issuer
from support.tokens import key_set as key_set_of

NOW_S = 1_800_000_000.0
TIMEOUT_S, MEMORY_MB, MAX_BYTES = 5, 1024, 4096


def text(data: bytes) -> str:
    """As headers are decoded: every byte a character."""
    return data.decode("latin-1")


def request(data: bytes) -> None:
    parser = RequestParser()
    for at in range(0, len(data), 97):
        if parser.complete:
            return
        parser.feed(data[at : at + 97])


def answer(data: bytes) -> None:
    parser = AnswerParser()
    parser.feed(data)
    if not parser.complete:
        parser.feed(b"")


def slices(data: bytes) -> None:
    try:
        found = from_json(data)
    except ValueError:
        return
    if isinstance(found, list):
        endpoints.members([each for each in found if isinstance(each, dict)], "http")


def bodies(data: bytes) -> None:
    for model in (ChargeBody, CapacityBody, RegistrationBody):
        try:
            found = model.model_validate_json(data)
        except ValidationError:
            continue
        if isinstance(found, ChargeBody):
            ChargeBody.model_validate_json(found.filled_in())


def conversations(data: bytes) -> None:
    """A message a line, in each version; the second line answers what the edge has asked."""
    for version in OcppVersion:
        talk = Conversation(version, Counters())
        talk.call("TriggerMessage", {"requestedMessage": "Heartbeat"}, lambda answer: None, 0.0)
        for line in data.split(b"\n"):
            for action in talk.received(line, 1.0):
                if isinstance(action, HandUp):
                    talk.refuse(action.message_id, "NotSupported", "")
        talk.close()


def registrations(data: bytes) -> None:
    for row in ChangesBody.model_validate_json(data).rows:
        from_wire(row)


KEY = SigningKey()
TRUSTED = [(issuer(), key_set.parse(key_set_of(KEY)))]


def verify(data: bytes) -> None:
    tokens.verify(text(data), TRUSTED, NOW_S)


GOOD_CAR = b'{"vehicle_id": "EV-1", "energy_kwh": 5, "max_power_kw": 11, "departure_time": "2030-01-01T00:00:00Z"}'
GOOD_SESSION = (
    b'{"session_id": "x", "vehicle_id": "v", "substation": "s", "state": "Charging", "energy_kwh": 1.0,'
    b'"delivered_kwh": 0.0, "power_kw": 1.0, "max_power_kw": 2.0, "min_power_kw": 1.0, "started_at": "",'
    b'"ended_at": null, "departure_time": null, "end_reason": null}'
)
GOOD_SLICE = (
    b'[{"ports": [{"name": "http", "port": 1}], "endpoints": [{"addresses": ["10.0.0.1"],'
    b'"conditions": {"ready": true}, "targetRef": {"name": "substation-0"}}]}]'
)


PROXIES = networks("10.0.0.0/8, fd00::/8")
SEALER = Sealer(b"k" * 32)
SEALED = SEALER.seal("session", {"owner": "o", "scopes": []}, NOW_S + 1)
GOOD_DISCOVERY = b'{"issuer": "https://i", "authorization_endpoint": "https://i/a", "token_endpoint": "https://i/t"}'


@dataclass(frozen=True)
class Target:
    """A parser, how it may refuse, and something good to begin with."""

    parse: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...] = ()
    good: bytes = b""


TARGETS: dict[str, Target] = {
    "requests": Target(request, (RefusedError,), b"POST /charge HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"),
    "answers": Target(answer, (BrokenAnswerError,), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "bodies": Target(bodies, (), GOOD_CAR),
    "numbers": Target(lambda data: numbers.decode(text(data)), (), b"1795391275132946.1.77"),
    "keys": Target(
        lambda data: keys.from_wire(from_json(data), NOW_S),
        (ValueError,),
        b'{"entries": [["AYvdmFHCqxzKfSsgC9oYJw", "1.0.1", "x", 0]], "position": 1, "more": false, "reset": true}',
    ),
    "status": Target(lambda data: status_header.decode(text(data), NOW_S)),
    "session-ids": Target(
        lambda data: (session_id.is_session_id(text(data)), session_id.is_path(text(data))), (), b"../a.b"
    ),
    "cursors": Target(lambda data: paging.decode(text(data), str, int), (ProblemError,), b"WyJhIiwxXQ"),
    "traces": Target(lambda data: tracing.begin(text(data), text(data))),
    "sessions-of-members": Target(lambda data: member_answers.session("m", data), (), GOOD_SESSION),
    "pages-of-members": Target(
        lambda data: member_answers.page("m", data), (), b'{"sessions": [], "next_cursor": null}'
    ),
    "problems-of-members": Target(member_answers.problem, (), b'{"code": "no-capacity", "detail": ""}'),
    "endpoint-slices": Target(slices, (), GOOD_SLICE),
    "substations": Target(lambda data: static.parse(text(data)), (StartError,), b"a=http://b:1,http://c"),
    "targets": Target(lambda data: targets.parse(text(data)), (ValueError,), b"10.0.0.0/8,*.svc"),
    "issuers": Target(lambda data: issuers.load("[" + text(data)), (StartError,), b'{"issuer": "i"}]'),
    "key-sets": Target(key_set.parse, (KeySetError,), key_set_of(KEY)),
    "forwarded": Target(
        lambda data: client_address("10.0.0.1", text(data), PROXIES), (), b"198.51.100.7, [fd00::1]:443, 10.2.2.2:80"
    ),
    "rates": Target(lambda data: rate.parse(text(data)), (ValueError,), b"20/s burst 40"),
    "cookies": Target(lambda data: SEALER.open("session", text(data), NOW_S), (), SEALED.encode()),
    "discovery": Target(lambda data: login.endpoints(from_json(data), "https://i"), (ValueError,), GOOD_DISCOVERY),
    "ocpp": Target(conversations, (), b'[2,"1","Heartbeat",{}]\n[3,"1",{"status":"Accepted"}]\n[6,"2","Heartbeat",{}]'),
    "chargers-paths": Target(lambda data: path.charger_of(text(data)), (), b"/ocpp/substation-0/CP%20001"),
    "chargers-certificates": Target(
        lambda data: [
            certificates.told_by_proxy(each, [text(data)]) for each in ("dn", certificates.BARE_NAME, certificates.XFCC)
        ],
        (),
        rb'Hash=1;Subject="O=a\,b,CN=CP-1"',
    ),
    "chargers-file": Target(
        spec.read_file, (spec.SpecError,), b'[{"substation": "s-0", "charger": "CP-1", "security_profile": 0}]'
    ),
    "registrations": Target(registrations, (ValueError,), b'{"epoch": "0", "sequence": 1, "is_end": true, "rows": []}'),
    "tokens": Target(verify, (TokenError,), KEY.sign(claims(NOW_S)).encode()),
}


def fuzz(name: str, inputs: int, corpus: Path) -> None:
    """Feed one parser; libFuzzer ends the process."""
    target = TARGETS[name]
    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / "good").write_bytes(target.good)

    def once(data: bytes) -> None:
        with suppress(*target.refusals):
            target.parse(data)

    atheris.Setup(
        [sys.argv[0], f"-runs={inputs}", f"-timeout={TIMEOUT_S}", f"-rss_limit_mb={MEMORY_MB}",
         f"-max_len={MAX_BYTES}", f"-artifact_prefix={corpus.parent}/", "-verbosity=0", str(corpus)],
        once,
    )  # fmt: skip
    atheris.Fuzz()


def run(name: str, inputs: int, kept: Path) -> subprocess.CompletedProcess[str]:
    """Feed one parser in a process of its own; its exit code is 0 if nothing was found."""
    command: list[Any] = [sys.executable, __file__, "--only", name, "--inputs", inputs, "--kept", kept]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(map(str, command), capture_output=True, text=True, check=False, env=environment)


@click.command()
@click.option("--inputs", default=100_000, show_default=True, help="For each parser.")
@click.option("--only", type=click.Choice(sorted(TARGETS)), help="This parser, in this process.")
@click.option("--kept", type=click.Path(path_type=Path), help="Folder for what was found; by default none is kept.")
def main(inputs: int, only: str | None, kept: Path | None) -> None:
    """See above."""
    if only:
        fuzz(only, inputs, (kept or Path()) / only)
        return
    failures = 0
    with TemporaryDirectory() as folder:
        for name in TARGETS:
            done = run(name, inputs, kept or Path(folder))
            failures += done.returncode != 0
            click.echo(f"{name:<20} {inputs} inputs: {'nothing found' if done.returncode == 0 else done.stderr}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
