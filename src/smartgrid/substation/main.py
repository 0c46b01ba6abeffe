"""`smartgrid substation`: one substation as a process."""

from __future__ import annotations

import random

from smartgrid.runtime.clock import GridClock
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.runtime.process import service_command
from smartgrid.runtime.quotas import parse_quotas
from smartgrid.runtime.server import serve
from smartgrid.runtime.start_error import StartError
from smartgrid.substation.app import Api, make_app
from smartgrid.substation.charger_ledger import ChargerLedger
from smartgrid.substation.draining import Draining
from smartgrid.substation.limits import Limits
from smartgrid.substation.metrics import BooksCollector, SubstationMetrics
from smartgrid.substation.recovery import open_book
from smartgrid.substation.refusals import StorageError
from smartgrid.substation.settings import SubstationSettings
from smartgrid.substation.store import Store
from smartgrid.web import auditing, guarding, metrics

DRAWN_CAPACITY_KW = (80.0, 120.0)


def run(settings: SubstationSettings) -> None:
    """Serve until told to end."""
    registry, lifecycle, clock = metrics.registry(), Lifecycle(), GridClock(settings.time_scale)
    counted, guard = SubstationMetrics(registry), guarding.guard(settings, lifecycle, registry)
    drawn_kw = round(random.uniform(*DRAWN_CAPACITY_KW), 1)
    audit = auditing.of_settings("substation", settings, registry)
    store = Store(settings.data_dir)
    book = open_book(
        store,
        clock,
        drawn_capacity_kw=drawn_kw,
        limits=Limits(
            settings.max_active,
            settings.max_session_h * 3600,
            parse_quotas(settings.quotas).substation.quota(),
            settings.max_waiting,
            settings.lease_s,
            settings.reservation_s,
            settings.firm_capacity_kw,
        ),
        max_clock_back_s=settings.max_clock_back_s,
        on_end=counted.ended,
        on_start=counted.started,
    )
    ledger = ChargerLedger(store, clock, book, keep_ended=settings.keep_ended)
    draining = Draining(settings.data_dir, ledger)
    draining.restore()  # before anyone who waits may start
    try:
        ledger.start(settings.capacity_kw)
    except StorageError as error:
        raise StartError(f"the data directory {settings.data_dir} takes no changes: {error}") from error
    registry.register(BooksCollector(ledger, settings.data_dir))
    lifecycle.add_check(ledger.storage_fault)
    lifecycle.on_drain(ledger.drain)
    api = Api(settings.name, ledger, clock, counted, max_waits=settings.threads // 2, set_draining=draining.set)
    app = make_app(api, lifecycle, registry, guard, audit)
    try:
        serve(app, settings, lifecycle, registry.add_text)
    finally:
        ledger.close()


command = service_command("substation", SubstationSettings, run)
