"""Program 3: the sidecar, which listens, merges and delivers; it does not know that Kubernetes exists."""
