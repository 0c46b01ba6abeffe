"""`smartgrid charger probe`: find out at commissioning which limits a charger takes, and write its quirks down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from pydantic import ValidationError

from smartgrid.cli.options import OneSentenceCommand, RefusalError
from smartgrid.edge.limits.probe import NO_ANSWER, STEPS, clock_off_s, quirks_of
from smartgrid.edge.limits.quirks import QuirksEntry
from smartgrid.http_client.client import HttpClient, NotSentError, OutcomeUnknownError
from smartgrid.loadtest.credential import NoTokenError, credential_of

READ_S, STEP_S = 10.0, 75.0
"""A charger may take a minute to answer."""
CLOCK_WARNING_S = 10.0


@click.group()
def command() -> None:
    """Ask chargers something, through a running edge or gateway."""


@command.command(cls=OneSentenceCommand)
@click.argument("substation")
@click.argument("charger")
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="Of the gateway, or of an edge.")
@click.option(
    "--connector", type=click.IntRange(1, 32), default=1, show_default=True, help="That profiles are set for."
)
@click.option("--token-file", type=click.Path(path_type=Path), help="Whose token has grid:operate; or SMARTGRID_TOKEN.")
@click.option("--write", "file", type=click.Path(path_type=Path), help="Table of quirks to put the entry into.")
def probe(substation: str, charger: str, url: str, connector: int, token_file: Path | None, file: Path | None) -> None:
    """See which profiles, units and limits a charger takes. No car may be charging there."""
    try:
        client = HttpClient(url, extra_headers=credential_of(token_file), connect_timeout_s=READ_S)
    except (ValueError, NoTokenError) as problem:
        raise RefusalError(str(problem)) from None
    table = {} if file is None else _table(file)
    with closing(client):
        entry = _probe(client, f"/chargers/{quote(substation, safe='')}/{quote(charger, safe='')}", charger, connector)
    click.echo(json.dumps(entry, indent=2))
    if file is not None:
        table[entry["name"]] = entry
        _replace(file, json.dumps(list(table.values()), indent=2) + "\n")
        click.echo(f"{file} has it; an edge with SMARTGRID_QUIRKS_FILE={file} uses it from its next start.", err=True)


def _probe(client: HttpClient, path: str, charger: str, connector: int) -> dict[str, Any]:
    """Run the series, print what is found, and make an entry of it."""
    about = _ask(client, "GET", path)
    if not about.get("connected"):
        raise RefusalError(f"{charger} is not connected; probe it when it is")
    name = (
        f"{about.get('vendor') or 'unknown'} {about.get('model') or charger}, firmware {about.get('firmware') or '?'}"
    )
    click.echo(f"{name}, {about.get('version')}, connector {connector}")
    results = {}
    for step in STEPS:
        results[step.name] = _result(client, path, {"command": "probe", "step": step.name, "connector": connector})
        click.echo(f"  {step.asks:<36} {results[step.name]}")
    if set(results.values()) == {NO_ANSWER}:
        raise RefusalError(f"{charger} has answered nothing; its quirks are not known by that")
    skew_s = clock_off_s(results)
    if skew_s is not None and abs(skew_s) > CLOCK_WARNING_S:
        click.echo(f"Its clock is {abs(skew_s):.0f} s {'ahead' if skew_s > 0 else 'behind'}.")
    return _entry(about, name, results)


def _entry(about: Mapping[str, Any], name: str, results: Mapping[str, str]) -> dict[str, Any]:
    vendor, model = (str(about.get(field) or "")[:50] for field in ("vendor", "model"))
    plain = "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in f"{vendor} {model}".lower()).split())
    source = f"smartgrid charger probe of {name}, {datetime.now(UTC):%Y-%m-%d}"
    entry = quirks_of(results, (plain or "unnamed")[:64], _exactly(vendor), _exactly(model), source)
    try:
        QuirksEntry.model_validate(entry)
    except ValidationError as problem:
        raise RefusalError(f"no entry can be made of this: {problem.errors()[0]['msg']}") from None
    return entry


def _exactly(name: str) -> str:
    """A name as a pattern that fits it: no character of it stands for others but `?` for what would."""
    return "".join("?" if character in "*?[" else character for character in name)


def _result(client: HttpClient, path: str, body: Mapping[str, Any]) -> str:
    try:
        return str(_ask(client, "POST", f"{path}/commands", body)["result"])
    except _SilentError:
        return NO_ANSWER


class _SilentError(Exception):
    """The charger has not answered a command."""


def _ask(client: HttpClient, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The answer's body. Raises RefusalError: one sentence."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} if data else {}
    try:
        answer = client.request(
            method, path, body=data, headers=headers, timeout_s=STEP_S if data else READ_S, resend=data is None
        )
        found = json.loads(answer.body)
    except (NotSentError, OutcomeUnknownError) as problem:
        raise RefusalError(str(problem)) from None
    except ValueError:
        raise RefusalError(f"{client.url}{path} is no edge of ours: its answer is no JSON") from None
    if answer.status == 504 and data:
        raise _SilentError
    if answer.status >= 300 or not isinstance(found, dict):
        detail = found.get("detail") or found.get("title") if isinstance(found, dict) else None
        raise RefusalError(str(detail or f"{client.url}{path} has answered {answer.status}").rstrip("."))
    return found


def _replace(file: Path, text: str) -> None:
    """As a whole, so that an edge that starts just now reads the old table or the new one."""
    partial = file.with_name(file.name + ".new")
    try:
        partial.write_text(text, "utf-8")
        partial.replace(file)
    except OSError as problem:
        raise RefusalError(f"--write {file} cannot be written: {problem.strerror or problem}") from None


def _table(file: Path) -> dict[str, dict[str, Any]]:
    """The entries of a file by name; none where it is new. Raises RefusalError."""
    try:
        found = json.loads(file.read_text("utf-8"))
        return {QuirksEntry.model_validate(entry).name: entry for entry in found}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as problem:
        raise RefusalError(f"--write {file} is no table of quirks: {str(problem).splitlines()[0]}") from None
