"""`smartgrid token`: a token for a person or a program, from the issuer of `smartgrid up --auth`."""

from __future__ import annotations

import re
from pathlib import Path

import click

from smartgrid.auth import scopes
from smartgrid.auth.local_issuer import LocalIssuer, NoIssuerError
from smartgrid.cli.identity import FOLDER
from smartgrid.cli.options import OneSentenceCommand, RefusalError

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
MAX_LIFETIME_S = 366 * 86_400


@click.command(cls=OneSentenceCommand)
@click.option("--data-dir", type=click.Path(path_type=Path), default=Path(".smartgrid"), show_default=True)
@click.option("--subject", required=True, help="Who it is for, such as driver-1.")
@click.option("--scope", "wanted", multiple=True, required=True, type=click.Choice(sorted(scopes.ALL)), help="Repeat.")
@click.option("--lifetime", default="1h", show_default=True, help="Such as 30s, 15m, 1h or 7d.")
def command(data_dir: Path, subject: str, wanted: tuple[str, ...], lifetime: str) -> None:
    """Print a token that the grid of this data directory believes."""
    if not subject.strip() or len(subject) > 255 or not subject.isprintable():
        raise RefusalError("--subject must be 1 to 255 printable characters")
    try:
        issuer = LocalIssuer(data_dir / FOLDER)
    except NoIssuerError:
        raise RefusalError(f"{data_dir} has no issuer; `smartgrid up --auth --data-dir {data_dir}` makes one") from None
    click.echo(issuer.token(subject, wanted, _seconds(lifetime)))


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    seconds = int(found[1]) * UNITS_S[found[2]] if found else 0
    if not 0 < seconds <= MAX_LIFETIME_S:
        raise RefusalError(f"--lifetime {text!r} must be a number and s, m, h or d, such as 1h; 366d at the most")
    return seconds
