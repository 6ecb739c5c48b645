"""What a channel wants in the database, as SQL: pure, from the spec and the catalog's facts."""
