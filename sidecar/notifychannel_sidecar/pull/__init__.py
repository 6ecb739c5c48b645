"""Hints that the application fetches and acknowledges by itself: `POST /v1/claim` and `/v1/ack` at the local port."""
