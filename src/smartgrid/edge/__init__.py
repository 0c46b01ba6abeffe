"""The edge: it holds the chargers' OCPP connections, and turns what a substation offers into charging profiles."""
