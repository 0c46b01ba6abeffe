"""The HTTP client of the services: a pool of kept connections, and what is known when an answer does not come."""
