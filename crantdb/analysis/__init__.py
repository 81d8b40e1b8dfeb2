"""Questions to a snapshot: pure functions that are handed a connection or frames."""
