"""`smartgrid token`, and the issuer that `smartgrid up --auth` makes."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner, Result

from smartgrid.auth import issuers, key_set, tokens
from smartgrid.auth.principal import owner_of
from smartgrid.auth.scopes import CHARGE_WRITE, GRID_SERVICE
from smartgrid.cli import identity
from smartgrid.cli.identity import Identities
from smartgrid.cli.token import command


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """That of a grid with an issuer."""
    Identities(tmp_path)
    return tmp_path


def token(data_dir: Path, *more: str) -> Result:
    given = ["--data-dir", str(data_dir), "--subject", "driver-1", "--scope", "charge:write", *more]
    return CliRunner().invoke(command, given)


def test_the_token_is_believed_by_the_grid_of_that_folder(data_dir: Path) -> None:
    [issuer] = issuers.load(str(data_dir / "auth" / "issuers.json"))
    keys = key_set.parse(Path(issuer.jwks).read_bytes())
    found, until_s = tokens.verify(token(data_dir, "--lifetime", "15m").stdout.strip(), [(issuer, keys)], time.time())
    assert (found.owner, found.scopes) == (owner_of(issuer.issuer, "driver-1"), {CHARGE_WRITE})
    assert until_s - time.time() <= 15 * 60 + tokens.LEEWAY_S


@pytest.mark.parametrize(("lifetime", "seconds"), [("30s", 30), ("2m", 120), ("1h", 3600), ("366d", 366 * 86400)])
def test_it_lives_as_long_as_wished(data_dir: Path, lifetime: str, seconds: int) -> None:
    printed = token(data_dir, "--lifetime", lifetime).stdout.strip()
    claims = jwt.decode(printed, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == seconds


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--lifetime", "1"], "--lifetime '1'"),
        (["--lifetime", "0s"], "--lifetime '0s'"),
        (["--lifetime", "367d"], "366d at the most"),
        (["--lifetime", "-1h"], "--lifetime '-1h'"),
        (["--scope", "everything"], "'everything' is not one of"),
        (["--subject", " "], "--subject must be"),
        (["--subject", "x" * 256], "--subject must be"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(data_dir: Path, more: list[str], part: str) -> None:
    result = token(data_dir, *more)
    assert result.exit_code == 2
    assert part in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_without_an_issuer_it_says_how_to_get_one(tmp_path: Path) -> None:
    result = token(tmp_path)
    assert result.exit_code == 2
    assert f"smartgrid up --auth --data-dir {tmp_path}" in result.output
    assert not (tmp_path / "auth").exists()


def test_what_is_secret_only_its_owner_reads_and_a_new_start_keeps_the_key(data_dir: Path) -> None:
    before = (data_dir / "auth" / "issuer.pem").read_bytes()
    Identities(data_dir).tend(1.0)
    assert (data_dir / "auth" / "issuer.pem").read_bytes() == before
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (data_dir / "auth").iterdir()}
    assert set(modes) >= {"issuer.pem", "balancer.token", "gateway.token"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((data_dir / "auth").stat().st_mode) == 0o700


def test_each_process_gets_a_token_of_a_service_and_a_new_one_each_hour(data_dir: Path) -> None:
    identities, path = Identities(data_dir), data_dir / "auth" / "gateway.token"
    assert identities.settings("gateway")["SERVICE_TOKEN_FILE"] == str(path)
    assert "SERVICE_TOKEN_FILE" not in identities.settings("substation")
    identities.tend(10.0)
    first = path.read_text()
    assert jwt.decode(first, options={"verify_signature": False})["scope"] == GRID_SERVICE
    identities.tend(10.0 + identity.RENEWED_S - 1)
    assert path.read_text() == first
    identities.tend(10.0 + identity.RENEWED_S)
    assert path.read_text() != first
