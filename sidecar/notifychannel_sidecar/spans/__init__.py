"""OpenTelemetry spans of the POSTs, behind the extra `otel`. Outside `spans.py` nothing here is imported without it."""
