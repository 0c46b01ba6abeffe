"""Charging transactions of chargers: which message belongs to which, kept on the disk until their substation knows."""
