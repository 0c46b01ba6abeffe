"""The balancer service: discovers substations, keeps their load in view, and routes each car to one of them."""
