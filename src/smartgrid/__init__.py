"""Smart Grid Load Balancer: places EV charging sessions on substations and shares their capacity."""
