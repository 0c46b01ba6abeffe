"""A real Kubernetes for the tests: an existing one if told so, kind where Docker runs, else a local one.

    python -m cluster setup | up | status | build | load | prometheus | tools | down

Only the standard library is used, so it runs before anything of the project is installed.
"""
