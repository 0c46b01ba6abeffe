"""From what a substation offers to what a charger is told, and what it may draw meanwhile. Pure: time comes in.

Begin with `connector_limit.py`, which puts the others together for one connector: `slot.py` what may stand at the
charger, `metered.py` what its meter adds to that, `phases.py` and `amps.py` how power becomes current, `pace.py` how
often it is written to, `trust.py` whether it does what it is told, by `obedience.py` and `ways.py`. By themselves:
`fallback.py` (safe currents of a substation), `quirks.py` (the table), `setup.py` and `probe.py` (dialogues), and
`payloads.py` (OCPP's messages).
"""
