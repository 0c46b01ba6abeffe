"""The HTTP server of the services: one thread for each request under way, none for those that have not come whole."""
