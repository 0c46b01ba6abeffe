"""The chargers of an edge: what each is and says, and what it is told. `fleet.py` puts it together."""
