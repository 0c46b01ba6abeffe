"""An upgrade loses nothing: `version_2.sql` and so on are what those versions wrote, as they were killed."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.protocol import keys
from smartgrid.protocol.fingerprint import fingerprint_of
from smartgrid.substation import migrations
from smartgrid.substation.chargers import PlugIn
from smartgrid.substation.migrations import SCHEMA_VERSION
from smartgrid.substation.refusals import KeyReusedError
from smartgrid.substation.store import Store
from support.books import START_WALL_S, Books, SetClock, a_car

ALIVE_WALL_S = START_WALL_S + 2700
ACTIVE = {"elastic": "jOHDdPfNjhX-oqhkeumQoA", "leaving": "a1Vih3UDrquNW_Xr_3dHEg", "keyless": "0CXw6nHySx3t8aMr6bnb-Q"}
ENDED = {"full": "otlx4-tG6RJX-N5rACBXRA", "stopped": "qKXJ42qfHRb0FjxP0DHOag", "voided": "JVmcIpGaZm5La45LwdOkGw"}


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    """The folder of a substation of version 2."""
    folder = tmp_path / "data"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "substation.db")) as connection:
        connection.executescript((Path(__file__).parent / "version_2.sql").read_text())
    return folder


@pytest.fixture
def open_books(old_file: Path) -> Iterator[Callable[..., Books]]:
    opened: list[Books] = []

    def open_at(outage_s: float = 0.0, capacity_kw: float | None = 90.0) -> Books:
        clock = SetClock()
        clock.set_s = ALIVE_WALL_S + outage_s
        opened.append(Books(old_file, clock, capacity_kw))
        return opened[-1]

    yield open_at
    for books in opened:
        books.close()


def test_every_session_is_there_as_it_was(open_books: Callable[..., Books]) -> None:
    books = open_books()
    assert [record.session_id for record in books.ledger.page(10, None, None)] == [
        *reversed(ENDED.values()),
        *reversed(ACTIVE.values()),
    ]
    elastic, full, stopped = (books.record(i) for i in (ACTIVE["elastic"], ENDED["full"], ENDED["stopped"]))
    assert elastic is not None
    assert (elastic.state, elastic.power_kw, elastic.started_wall_s) == ("Charging", 11, START_WALL_S)
    assert elastic.delivered_kwh == pytest.approx(8.08333333325, abs=1e-9)  # metered up to its last sign of life
    assert full is not None
    assert (full.delivered_kwh, full.end_reason, full.ended_wall_s) == (1, "EnergyDelivered", START_WALL_S + 3600 / 11)
    assert stopped is not None
    assert (stopped.delivered_kwh, stopped.end_reason) == (5.5, "Stopped")


def test_what_the_operator_set_is_kept(open_books: Callable[..., Books]) -> None:
    assert open_books().ledger.status().capacity_kw == 33


def test_a_setting_that_has_changed_counts(open_books: Callable[..., Books]) -> None:
    assert open_books(capacity_kw=91.0).ledger.status().capacity_kw == 91


def test_a_departure_in_the_outage_is_a_power_loss(open_books: Callable[..., Books]) -> None:
    leaving = open_books(outage_s=10_000).record(ACTIVE["leaving"])
    assert leaving is not None
    assert (leaving.end_reason, leaving.ended_wall_s) == ("PowerLoss", START_WALL_S + 7200.5)


def test_keys_keep_their_sessions_and_numbers(open_books: Callable[..., Books]) -> None:
    _, page = open_books().ledger.news(0, None, 0, 0)
    assert page is not None
    told = {entry.digest: (entry.session_id, entry.number) for entry in page.entries}
    assert told[keys.digest("key of elastic")] == (ACTIVE["elastic"], (1_800_001_800_000_000,))
    assert told[keys.digest("key of full")] == (ENDED["full"], (1_800_000_000_000_004,))
    assert len(told) == 6
    assert keys.digest("key of voided") not in told


def test_a_repeat_finds_the_session_and_another_request_does_not(open_books: Callable[..., Books]) -> None:
    ledger = open_books().ledger
    departure_ms = round((START_WALL_S + 7200.5) * 1000)
    same, other = (fingerprint_of("EV-leaving", energy_kwh, 4, 11, departure_ms) for energy_kwh in (22, 23))
    car = ChargeRequest("EV-leaving", 22.0, PowerRange(4.0, 11.0), START_WALL_S + 7200.5)
    assert ledger.charge(car, "key of leaving", None, same).record.session_id == ACTIVE["leaving"]
    with pytest.raises(KeyReusedError):
        ledger.charge(car, "key of leaving", None, other)


def test_a_session_without_an_end_ends_after_48_hours(open_books: Callable[..., Books]) -> None:
    """One of a nanowatt would have stayed for millions of years."""
    books = open_books()
    books.clock.pass_s(48 * 3600)
    keyless = books.record(ACTIVE["keyless"])
    assert keyless is not None
    assert (keyless.end_reason, keyless.ended_wall_s) == ("Departed", ALIVE_WALL_S + 48 * 3600)


def test_the_oldest_is_still_the_oldest_and_new_rows_follow(open_books: Callable[..., Books]) -> None:
    books = open_books()
    new = books.charge(a_car()).record.session_id
    books.ledger.set_capacity(7)
    states = [record.state for i in (*ACTIVE.values(), new) if (record := books.record(i))]
    assert states == ["Charging", "SuspendedEVSE", "SuspendedEVSE", "SuspendedEVSE"]
    assert books.ledger.page(1, None, None)[0].session_id == new


def test_it_is_done_once(open_books: Callable[..., Books], old_file: Path) -> None:
    open_books().close()
    again = open_books()
    assert again.record(ACTIVE["elastic"]) is not None
    with closing(sqlite3.connect(old_file / "substation.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert tables == {
        *("session", "capacity_change", "checkpoint", "life", "sqlite_sequence"),
        *("charger_session", "connectors"),
    }


# ---------------------------------------------------------------------- from version 3

OF_3 = {
    "elastic": "semX7Tm34o9t6T3HoQYl1A",
    "leaving": "VsIVrjkNIU8mSeH0-hNbiQ",
    "full": "HYeZDthH1yLP6dzYAivhvw",
    "stopped": "jzcMMtN13SvEysGxquZzFw",
    "superseded": "4jxZ1V2oD0PkaLcIpJnUxg",
    "later": "tD1IrR9WtEZ_f-f79HtotA",
}


@pytest.fixture
def of_3(tmp_path: Path) -> Iterator[Books]:
    yield from books_of("version_3.sql", tmp_path)


def books_of(version: str, folder: Path) -> Iterator[Books]:
    with closing(sqlite3.connect(folder / "substation.db")) as connection:
        connection.executescript((Path(__file__).parent / version).read_text())
    clock = SetClock()
    clock.set_s = ALIVE_WALL_S
    books = Books(folder, clock, 90.0)
    yield books
    books.close()


def test_sessions_of_version_3_go_on_and_are_nobodys(of_3: Books) -> None:
    found = {record.session_id: record for record in of_3.ledger.page(10, None, None)}
    assert list(found) == list(reversed(OF_3.values()))
    assert {record.owner for record in found.values()} == {None}
    assert of_3.ledger.page(10, None, None, "A" * 22) == []
    assert {name: (r.state, r.end_reason) for name in OF_3 if (r := found[OF_3[name]])} == {
        "elastic": ("Charging", None),
        "leaving": ("Charging", None),
        "full": ("Idle", "EnergyDelivered"),
        "stopped": ("Idle", "Stopped"),
        "superseded": ("Idle", "Superseded"),
        "later": ("Charging", None),
    }
    assert found[OF_3["superseded"]].superseded_by == "../substation-1.x"
    assert found[OF_3["elastic"]].delivered_kwh == 7.5625  # as version 3 itself says at that moment


def test_keys_of_version_3_have_their_sessions(of_3: Books) -> None:
    fingerprint = fingerprint_of("EV-elastic", 22.0, 4.0, 11.0, None)
    car = ChargeRequest("EV-elastic", 22.0, PowerRange(4.0, 11.0))
    told = of_3.ledger.charge(car, "key of elastic", None, fingerprint)
    assert (told.record.session_id, told.replayed) == (OF_3["elastic"], True)
    somebodys = of_3.ledger.charge(car, "key of elastic", None, fingerprint, "A" * 22)
    assert (somebodys.replayed, somebodys.record.owner) == (False, "A" * 22)


# ---------------------------------------------------------------------- from version 4

OF_4 = {
    "elastic": "_JGuY9RaF3Z9c80uvIl2Ew",
    "leaving": "0JRrNQDGIuRWBezmPNs1XQ",
    "full": "HE1YQLrO3IA31wDstJUi7g",
    "stopped": "Ezw45InPDQBSdqELU3-2Cg",
    "superseded": "CW_gn--iAnddN1hWgBV28w",
    "later": "S72KqMRf7iqsZdkaTGaevQ",
}
OWNER_OF_4 = "Zm9vYmFyZm9vYmFyZm9vYg"


@pytest.fixture
def of_4(tmp_path: Path) -> Iterator[Books]:
    yield from books_of("version_4.sql", tmp_path)


def test_sessions_of_version_4_go_on_with_their_owners_and_have_never_waited(of_4: Books) -> None:
    found = {record.session_id: record for record in of_4.ledger.page(10, None, None)}
    assert list(found) == list(reversed(OF_4.values()))
    assert {name: (r.state, r.power_kw, r.delivered_kwh) for name in OF_4 if (r := found[OF_4[name]])} == {
        "elastic": ("Charging", 11, 7.5625),  # all as version 4 itself says at that moment
        "leaving": ("Charging", 11, 7.5625),
        "full": ("Idle", 0, 1),
        "stopped": ("Idle", 0, 4.8125),
        "superseded": ("Idle", 0, 4.8125),
        "later": ("Charging", 7, 1.75),
    }
    assert {name for name in OF_4 if found[OF_4[name]].owner == OWNER_OF_4} == {"leaving", "stopped"}
    assert {(record.joined_wall_s, record.wait_until_wall_s) for record in found.values()} == {(None, None)}
    assert of_4.ledger.status().waiting_sessions == 0


def test_a_car_may_wait_in_a_file_that_was_of_version_4(of_4: Books) -> None:
    of_4.ledger.set_capacity(11)
    assert of_4.wait(a_car(min_kw=11)).record.state == "Waiting"


# ---------------------------------------------------------------------- from version 5

OF_5 = {
    "elastic": "F4l8ZN-ke6vTYN27s6IiPA",
    "large": "vEbsm12fTMbPiwMBKQHqxA",
    "waiting": "BEW_dTlbaEvWRqrglSwgQQ",
    "stopped": "sjF_qBTnx0NKT-UDGtU1uQ",
}


@pytest.fixture
def of_5(tmp_path: Path) -> Iterator[Books]:
    yield from books_of("version_5.sql", tmp_path)


def test_sessions_of_version_5_go_on_and_have_no_charger(of_5: Books) -> None:
    found = {record.session_id: record for record in of_5.ledger.page(10, None, None)}
    assert {name: (r.state, r.power_kw, r.delivered_kwh) for name in OF_5 if (r := found[OF_5[name]])} == {
        "elastic": ("Charging", 11, 8.25),
        "large": ("Charging", 75, 56.25),
        "waiting": ("Waiting", 0, 0),
        "stopped": ("Idle", 0, 0),
    }
    assert {(record.charger, record.is_metered, record.metered) for record in found.values()} == {(None, 0, None)}
    status = of_5.ledger.status()
    assert (status.capacity_kw, status.waiting_sessions, status.connectors) == (88, 1, None)


def test_a_car_may_plug_in_where_the_file_was_of_version_5(of_5: Books) -> None:
    """It is found by who waits, and the others are metered beside it."""
    found = PlugIn("CP-1", 1, None, "edge-0/x", 22.0, 0.0, 0.0, True, None, 0.0)
    request = ChargeRequest("EV-waiting", math.inf, PowerRange(4.14, 22.0))
    assert of_5.ledger.plug_in(request, found, "key").record.session_id == OF_5["waiting"]


@pytest.mark.parametrize("version", ["version_3.sql", "version_4.sql", "version_5.sql"])
def test_rows_are_counted_from_where_they_were_although_the_last_have_been_forgotten(
    tmp_path: Path, version: str
) -> None:
    """Cursors of lists are rows: one that had another session before must not come back."""
    script = (Path(__file__).parent / version).read_text()
    with closing(sqlite3.connect(tmp_path / "substation.db")) as connection:
        connection.executescript(script)
        connection.execute("DELETE FROM session WHERE seq = (SELECT max(seq) FROM session)")
        connection.commit()
        ((last,),) = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'session'")
    store = Store(tmp_path)
    found = store.load()
    store.close()
    assert found is not None
    assert found.last_seq == last


def test_files_of_all_versions_come_to_the_same_schema(tmp_path: Path) -> None:
    schemas = []
    for version in ("version_2.sql", "version_3.sql", "version_4.sql", "version_5.sql", None):
        folder = tmp_path / str(version)
        folder.mkdir()
        if version is not None:
            with closing(sqlite3.connect(folder / "substation.db")) as connection:
                connection.executescript((Path(__file__).parent / version).read_text())
        Store(folder).close()
        with closing(sqlite3.connect(folder / "substation.db")) as connection:
            schemas.append(connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall())
    assert all(schema == schemas[0] for schema in schemas)


# ---------------------------------------------------------------------- whatever the version


def test_a_migration_that_breaks_off_changes_nothing(old_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate_whole = migrations.STEPS[2]

    def migrate_and_fail(connection: sqlite3.Connection) -> None:
        migrate_whole(connection)
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setitem(migrations.STEPS, 2, migrate_and_fail)
    before = contents(old_file)
    with pytest.raises(Exception, match="disk is full"):
        Store(old_file)
    assert contents(old_file) == before


def contents(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "substation.db")) as connection:
        return [*connection.iterdump(), str(connection.execute("PRAGMA user_version").fetchone())]


def test_a_new_file_of_version_2_is_taken_over_too(tmp_path: Path) -> None:
    """Its process was killed between making the tables and the first commit."""
    script = (Path(__file__).parent / "version_2.sql").read_text()
    with closing(sqlite3.connect(tmp_path / "substation.db")) as connection:
        connection.executescript("\n".join(line for line in script.splitlines() if not line.startswith("INSERT")))
    books = Books(tmp_path, SetClock())
    assert books.ledger.status().capacity_kw == 100
    books.close()
