"""The way to the application: POSTs what the inbox hands out, and takes it back by the answer. Knows no database."""
