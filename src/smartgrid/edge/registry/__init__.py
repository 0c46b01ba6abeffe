"""Which chargers there are, what proves them, and what they have said of themselves. Begin with `store.py`."""
