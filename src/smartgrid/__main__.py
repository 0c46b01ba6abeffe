"""`python -m smartgrid` is `smartgrid`."""

from smartgrid.cli import main

main(prog_name="smartgrid")
