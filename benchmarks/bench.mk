# Benchmarks: each prints what it measured; docs/benchmarks.md has the results.

bench: $(VENV)/run.stamp ## Measure a charge through all services, to one substation, and to a bare handler
	@$(BIN)/python benchmarks/bench_charge.py

bench-simulation: $(VENV)/run.stamp ## Measure placement in the simulator: every target, on fresh seeds
	@$(BIN)/python benchmarks/bench_simulation.py

bench-decisions: $(VENV)/run.stamp ## Measure a decision with its reservation, from 10 to 10,000 substations
	@$(BIN)/python benchmarks/bench_decisions.py

bench-substation: $(VENV)/run.stamp ## Measure what an event costs a substation, from 20 to 100,000 sessions
	@$(BIN)/python benchmarks/bench_substation.py

bench-peers: $(VENV)/run.stamp ## Measure HAProxy, NGINX and our policies side by side (needs both from Debian)
	@$(BIN)/python benchmarks/bench_peers.py

bench-scale: $(VENV)/run.stamp ## Measure 3, 10 and 30 real substations at the same demand each
	@$(BIN)/python benchmarks/bench_scale.py

bench-views: $(VENV)/run.stamp ## Measure how fresh views are and what they cost, with 1,000 substations
	@$(BIN)/python benchmarks/bench_views.py

.PHONY: bench-simulation bench-decisions bench-substation bench-peers bench-scale bench-views
