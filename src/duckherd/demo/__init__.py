"""A sample shop database, and the proof that its tables were published as they are."""
