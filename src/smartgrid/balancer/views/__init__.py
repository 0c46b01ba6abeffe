"""The balancer's HTTP interface: each module has the routes of one matter, beside the functions that answer them."""
