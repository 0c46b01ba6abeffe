# The specification of the protocol; included by the Makefile. protocol/README.md explains it.
model: ## Have TLC check the protocol's specification (some minutes; needs Java and Maven; MODEL="rules large" for others)
	@$(PYTHON) protocol/check.py $(MODEL)

.PHONY: model
