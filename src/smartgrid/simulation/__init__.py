"""The domain under a virtual clock: routing policies beside each other and beside the optimum."""
