"""One file for each rule by which a member is chosen for a car (two for the two that draw lots)."""
