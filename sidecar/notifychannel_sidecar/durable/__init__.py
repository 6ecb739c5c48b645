"""What a channel with `delivery: AtLeastOnce` delivers from: the queue in the database, claimed row by row."""
