"""Simulated chargers: what a grid's edge has to do with, seen from outside.

    car.py       what a battery wants
    outlet.py    one connector: pilot, contactor, current, the register      pure: time is an argument
    profiles.py  charging profiles by the standard's own rules; installed.py: which of them a charger has
    mailbox.py   calls: one under way, transaction messages kept until they are taken
    charger.py   the state machine; behaviour.py has its faults by name, transaction.py what it remembers of a charge
    dialect_16.py, dialect_201.py   the same in the words of OCPP 1.6 and 2.0.1; dialect.py: what both have
    samples.py   what its meters tell; clock.py: its time, which may run faster
    busbar.py    what all chargers of a substation draw, at each moment
    line.py      one WebSocket connection; street.py: many chargers in one event loop

It knows nothing of `smartgrid.edge` and shares no code with it (import-linter): what both believed wrongly would
else look right.
"""
