"""The edge: it holds the chargers' OCPP connections, and turns what a substation offers into charging profiles.

`ports.py` says what its parts promise each other, `parts.py` puts them together, `main.py` makes a process of it, and
docs/architecture.md has which file answers which question.
"""
