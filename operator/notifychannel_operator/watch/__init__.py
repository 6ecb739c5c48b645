"""What the cluster tells the operator by itself, and the proof that it still does."""
