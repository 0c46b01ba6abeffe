"""From what a substation offers to what a charger is told, and what it may draw meanwhile. Pure: time comes in."""
