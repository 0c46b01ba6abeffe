# The cluster for the tests in k8s-tests/; included by the Makefile. docs/testing-on-kubernetes.md explains it.
PYTHON ?= python3
CLUSTER = PYTHONPATH=k8s-tests $(PYTHON) -m cluster
IMAGE_TAG ?= dev
SERVICES = substation balancer gateway edge loadtest

.PHONY: kind-up kind-down cluster-demo cluster-setup cluster-up cluster-status cluster-down images prometheus-up dex-up keda-up test-cluster test-keda lock-images lock-checkov

kind-up: ## A grid with Prometheus and Grafana on a kind cluster, and where to look at it (needs docker, kind, kubectl, helm)
	@$(PYTHON) scripts/on_kubernetes.py kind $(if $(DRY_RUN),--dry-run)

kind-down: ## Delete that cluster
	@kind delete cluster --name smart-grid

cluster-demo: ## A grid with Prometheus on the test cluster, and where to look at it
	@$(CLUSTER) up > /dev/null
	@$(CLUSTER) prometheus
	@$(MAKE) --no-print-directory images
	@eval "$$($(CLUSTER) up)" && $(PYTHON) scripts/on_kubernetes.py loaded --registry localhost --tag $(IMAGE_TAG) --without-monitoring

cluster-setup: ## Install and build what the test cluster needs (15 to 25 minutes the first time, then seconds)
	@$(CLUSTER) setup

cluster-up: ## Bring the test cluster up and print what to export
	@$(CLUSTER) up

cluster-status: ## Tell which kind of cluster this machine gets, and whether it is up
	@$(CLUSTER) status

cluster-down: ## End the test cluster and remove its data
	@$(CLUSTER) down

images: ## Build the five images and load them into the test cluster
	@for service in $(SERVICES); do \
	  $(CLUSTER) build images/$$service/Dockerfile localhost/smart-grid/$$service:$(IMAGE_TAG) || exit 1; \
	done

prometheus-up: ## Install the Prometheus operator and a Prometheus into the test cluster
	@$(CLUSTER) prometheus

dex-up: ## Install Dex, an identity provider, into the test cluster
	@$(CLUSTER) dex

keda-up: ## Install KEDA into the test cluster (8 to 16 minutes the first time: it is built from its Go module)
	@$(CLUSTER) keda

test-keda: $(VENV)/dev.stamp ## Run the test of autoscaling by KEDA itself, which is built and installed for it
	@SMARTGRID_TEST_KEDA=1 $(BIN)/python -m pytest --config-file=k8s-tests/pytest.ini k8s-tests/behaviour/test_autoscaling_keda.py

test-cluster: $(VENV)/dev.stamp ## Run the tests of the chart: what it renders, and how it behaves on a real cluster
	@$(BIN)/python -m pytest --config-file=k8s-tests/pytest.ini k8s-tests

lock-checkov: $(VENV)/dev.stamp ## Write the lock file of checkov, which the tests of the chart run, k8s-tests/cluster/locks/checkov.txt
	@echo "checkov>=3" | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header - --output-file k8s-tests/cluster/locks/checkov.txt

lock-images: $(VENV)/dev.stamp ## Write the lock file of what images are built with, images/build.txt
	@echo "setuptools>=77" | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header - --output-file images/build.txt
