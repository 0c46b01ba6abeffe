"""What the behaviour tests are written with: the Kubernetes API, helm, an installed grid, a load on it."""
