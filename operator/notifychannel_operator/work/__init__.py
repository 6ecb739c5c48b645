"""Which channel is looked at when: never one twice at once, never one forgotten, never all at once."""
