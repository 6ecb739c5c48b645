"""The person's tool, one file a command."""
