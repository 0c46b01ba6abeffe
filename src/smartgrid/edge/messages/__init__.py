"""What chargers say, in values that do not depend on the version of OCPP, and never an error for rubbish.

Begin with `values.py`. `v16.py` and `v2x.py` make these of payloads, by `readings.py`, `charger_clock.py` and
`lenient.py`.
"""
