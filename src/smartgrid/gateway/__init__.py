"""The gateway service: the public entry. It validates, makes retries safe, and passes on; it keeps no state."""
