"""The console: a page that shows the fleet live, at `GET /` of the balancer."""
