# The cluster for the tests in k8s-tests/; included by the Makefile. docs/testing-on-kubernetes.md explains it.
PYTHON ?= python3
CLUSTER = PYTHONPATH=k8s-tests $(PYTHON) -m cluster
IMAGE_TAG ?= dev
SERVICES = substation balancer gateway loadtest

.PHONY: cluster-setup cluster-up cluster-status cluster-down images prometheus-up test-cluster

cluster-setup: ## install and build what the test cluster needs (10 to 20 minutes the first time, then seconds)
	@$(CLUSTER) setup

cluster-up: ## bring the test cluster up and print what to export
	@$(CLUSTER) up

cluster-status: ## tell which kind of cluster this machine gets, and whether it is up
	@$(CLUSTER) status

cluster-down: ## end the test cluster and remove its data
	@$(CLUSTER) down

images: ## build the four images and load them into the test cluster
	@for service in $(SERVICES); do \
	  $(CLUSTER) build images/$$service/Dockerfile localhost/smart-grid/$$service:$(IMAGE_TAG) || exit 1; \
	done

prometheus-up: ## install the Prometheus operator and a Prometheus into the test cluster
	@$(CLUSTER) prometheus

test-cluster: ## run the behaviour tests on a real cluster (it is set up if need be)
	$(PYTHON) -m pytest k8s-tests/behaviour
