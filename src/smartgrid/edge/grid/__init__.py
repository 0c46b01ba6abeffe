"""The substations, as an edge sees them: where they are, what they offer, and what they are told."""
