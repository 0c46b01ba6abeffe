"""What an edge says of a charger that it passes on is believed by a shared secret, and by nothing else."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

import pytest

from smartgrid.edge.ports import ChargerId
from smartgrid.edge.sharding.facts import GOOD_FOR_S, Facts, believe, load_secret, say
from smartgrid.runtime.start_error import StartError

SECRET, OTHER = b"s" * 32, b"t" * 32
CHARGER = ChargerId("s0", "CP/1")
FACTS = Facts(is_encrypted=True, certificate_name="CP/1", address="192.0.2.7")
NOW_S = 1_800_000_000.0


def said(secret: bytes | None = SECRET) -> str:
    return say("edge-0", "edge-1", CHARGER, FACTS, secret, NOW_S)


def test_what_a_peer_says_is_believed() -> None:
    assert believe([said()], "edge-1", CHARGER, SECRET, NOW_S + 1) == FACTS


def test_what_is_said_with_another_secret_is_not() -> None:
    assert believe([said(OTHER)], "edge-1", CHARGER, SECRET, NOW_S) is None


def test_what_is_said_of_another_charger_is_not() -> None:
    assert believe([said()], "edge-1", ChargerId("s0", "CP/2"), SECRET, NOW_S) is None


def test_what_is_said_to_another_owner_is_not() -> None:
    assert believe([said()], "edge-2", CHARGER, SECRET, NOW_S) is None


@pytest.mark.parametrize("off_s", [GOOD_FOR_S + 1, -GOOD_FOR_S - 1])
def test_what_was_said_long_ago_is_not(off_s: float) -> None:
    assert believe([said()], "edge-1", CHARGER, SECRET, NOW_S + off_s) is None


def test_without_a_secret_nothing_is_said_and_nothing_believed() -> None:
    assert said(None) == "edge-0"
    assert believe([said()], "edge-1", CHARGER, None, NOW_S) is None
    assert believe([said(None)], "edge-1", CHARGER, SECRET, NOW_S) is None


def test_of_two_headers_neither_is_believed() -> None:
    assert believe([said(), said()], "edge-1", CHARGER, SECRET, NOW_S) is None


def test_a_changed_word_is_not_believed() -> None:
    encoded, _, signature = said().partition(".")
    changed = urlsafe_b64decode(encoded).replace(b"192.0.2.7", b"192.0.2.8")

    value = f"{urlsafe_b64encode(changed).decode()}.{signature}"

    assert believe([value], "edge-1", CHARGER, SECRET, NOW_S) is None


@pytest.mark.parametrize("value", ["", ".", "a.b", "x" * 10_000, "é.é", "AAAA.AAAA", "edge-0"])
def test_rubbish_is_not_believed(value: str) -> None:
    assert believe([value], "edge-1", CHARGER, SECRET, NOW_S) is None


def test_a_secret_is_read_from_its_file_to_the_last_byte(tmp_path: Path) -> None:
    random = b"\n" + SECRET[2:] + b" "
    (tmp_path / "secret").write_bytes(random)

    assert load_secret(tmp_path / "secret") == random


@pytest.mark.parametrize("content", [None, b"", b"short"])
def test_a_secret_that_is_none_is_said_at_the_start(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)

    with pytest.raises(StartError, match="SMARTGRID_PEER_SECRET_FILE"):
        load_secret(tmp_path / "secret")
