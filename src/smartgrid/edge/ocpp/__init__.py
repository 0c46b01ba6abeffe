"""Chargers' WebSockets: who is let in, and what is said on them by OCPP's rules. Begin with `listener.py`."""
