"""The port for the application beside the sidecar, which nobody else reaches: the stream and the claims."""
