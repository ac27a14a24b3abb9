"""Time-stamped histories: what they are and where they come from."""
