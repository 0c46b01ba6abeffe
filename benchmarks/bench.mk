# Benchmarks: each prints what it measured; docs/benchmarks.md has the results.

bench: $(VENV)/run.stamp ## Measure a charge through all services, to one substation, and to a bare handler
	@$(BIN)/python benchmarks/bench_charge.py

bench-simulation: $(VENV)/run.stamp ## Measure placement in the simulator: every target, on fresh seeds
	@$(BIN)/python benchmarks/bench_simulation.py

bench-decisions: $(VENV)/run.stamp ## Measure a decision with its reservation, from 10 to 10,000 substations
	@$(BIN)/python benchmarks/bench_decisions.py

bench-substation: $(VENV)/run.stamp ## Measure what an event costs a substation, from 20 to 100,000 sessions
	@$(BIN)/python benchmarks/bench_substation.py

bench-waiting: $(VENV)/run.stamp ## Measure what a waiting list costs an event, at 20 and 200 sessions and cars waiting
	@$(BIN)/python benchmarks/bench_waiting.py

bench-letting-wait: $(VENV)/dev.stamp ## Measure a car that is let wait, beside one that is admitted and one that is refused
	@PYTHONPATH=tests $(BIN)/python benchmarks/bench_letting_wait.py

bench-offers: $(VENV)/run.stamp ## Measure what reports and offers cost a substation, from 20 to 500 charger sessions
	@$(BIN)/python benchmarks/bench_offers.py

bench-backlogs: $(VENV)/run.stamp ## Measure what it costs to know where a car would wait least, from 10 to 10,000 substations
	@$(BIN)/python benchmarks/bench_backlogs.py

bench-waiting-service: $(VENV)/dev.stamp ## Measure how far a real substation's expected starts are off, and what its list costs a request
	@$(BIN)/python benchmarks/bench_waiting_service.py

bench-peers: $(VENV)/run.stamp ## Measure HAProxy, NGINX and our policies side by side (needs both from Debian)
	@$(BIN)/python benchmarks/bench_peers.py

bench-scale: $(VENV)/run.stamp ## Measure 3, 10 and 30 real substations at the same demand each
	@$(BIN)/python benchmarks/bench_scale.py

bench-regions: $(VENV)/run.stamp ## Measure 1,000 substations behind 10 balancers of regions and one before them
	@$(BIN)/python benchmarks/bench_regions.py

bench-keys: $(VENV)/run.stamp ## Measure what a key costs a balancer, at 3 and 200 substations
	@$(BIN)/python benchmarks/bench_keys.py

bench-views: $(VENV)/run.stamp ## Measure how fresh views are and what they cost, with 1,000 substations
	@$(BIN)/python benchmarks/bench_views.py

bench-http-client: $(VENV)/dev.stamp ## Measure a call with our HTTP client and with others
	@$(BIN)/python benchmarks/bench_http_client.py

fuzz: $(VENV)/dev.stamp ## Feed 100,000 strange answers to the parser of HTTP answers
	@PYTHONPATH=tests $(BIN)/python tests/http_client/fuzz_parser.py

fuzz-parsers: $(VENV)/dev.stamp ## Feed each parser 100,000 inputs of a coverage-guided fuzzer
	@PYTHONPATH=tests $(BIN)/python tests/fuzz/parsers.py

fuzz-api: $(VENV)/dev.stamp ## Send 100,000 requests to a grid, as its OpenAPI documents describe them and as they do not
	@PYTHONPATH=tests $(BIN)/python -m fuzz.api

soak: $(VENV)/dev.stamp ## Hold a grid under more load than it can serve for MINUTES (60), and watch its memory
	@PYTHONPATH=tests $(BIN)/python -m fuzz.soak --minutes $(or $(MINUTES),60)

bench-ledger: $(VENV)/run.stamp ## Measure a charge at one substation with 20, 2,000 and 20,000 active sessions
	@$(BIN)/python benchmarks/bench_ledger.py

bench-scaling: $(VENV)/run.stamp ## Measure what a balancer does for an autoscaler, and to remember sessions
	@$(BIN)/python benchmarks/bench_scaling.py

bench-auth: $(VENV)/dev.stamp ## Measure what it costs to know a caller by its token
	@$(BIN)/python benchmarks/bench_auth.py

bench-followers: $(VENV)/dev.stamp ## Measure what those who follow sessions by server-sent events cost
	@$(BIN)/python benchmarks/bench_followers.py

bench-edge-grid: $(VENV)/dev.stamp ## Measure what an edge's talk with 50 substations costs it, and a connection passed on
	@$(BIN)/python benchmarks/bench_edge_grid.py

bench-edge-sockets: $(VENV)/dev.stamp ## Measure 10,000 chargers' connections, beside PyPI ocpp on websockets
	@$(BIN)/python benchmarks/bench_edge_sockets.py

bench-edge: $(VENV)/dev.stamp ## Measure one edge with 10,000 chargers and a car at each: memory, meter values, a reconnect of all
	@PYTHONPATH=tests $(BIN)/python benchmarks/bench_edge.py

bench-edge-message: $(VENV)/dev.stamp ## Measure what one MeterValues costs an edge, without sockets, and what its parts do
	@$(BIN)/python benchmarks/bench_edge_message.py

bench-loadtest: $(VENV)/run.stamp ## Measure how much one process of the load test can send
	@$(BIN)/python benchmarks/bench_loadtest.py

.PHONY: bench bench-auth bench-backlogs bench-decisions bench-edge bench-edge-grid bench-edge-message bench-edge-sockets bench-followers bench-http-client bench-keys bench-ledger bench-letting-wait bench-loadtest bench-offers bench-peers bench-regions bench-scale bench-scaling bench-simulation bench-substation bench-views bench-waiting bench-waiting-service fuzz fuzz-api fuzz-parsers soak
