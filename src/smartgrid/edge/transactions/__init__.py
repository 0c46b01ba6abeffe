"""Charging transactions of chargers: which message belongs to which, kept on the disk until their substation knows.

Begin with `charger_transactions.py` (which transaction a message is of) and `transaction.py` (what its energy is).
`inbox.py` keeps them on the disk, `deliveries.py` tells substations of their starts and ends.
"""
