"""Drives a grid with realistic EV charging requests and reports how it did."""
