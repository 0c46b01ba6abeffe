"""A single-node cluster without Docker: Kubernetes built from its Go module, containerd and the rest from Debian."""
