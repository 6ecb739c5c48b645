"""The way to the application: POSTs what a source hands out, and takes it back by the answer. Knows no database."""
