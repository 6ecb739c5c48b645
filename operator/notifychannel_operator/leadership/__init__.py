"""Who of the replicas works: the holder of the Lease, and nobody whose lease may have run out."""
