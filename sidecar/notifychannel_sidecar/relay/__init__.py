"""The one session per database that carries the outbox to the PostgreSQL channels, and who holds that role."""
