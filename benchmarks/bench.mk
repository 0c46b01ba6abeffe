# Benchmarks: each prints what it measured; docs/benchmarks.md has the results.

bench: $(VENV)/run.stamp ## Measure a charge through all services, to one substation, and to a bare handler
	@$(BIN)/python benchmarks/bench_charge.py
