"""The way from the database: one proven connection that hears for all channels. Never awaits the application."""
