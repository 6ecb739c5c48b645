"""One pass over one channel: what it looks at, what it does, and what it says in the resource's status."""
