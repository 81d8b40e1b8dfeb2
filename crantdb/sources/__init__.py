"""The remote services, and the proof that they gave everything. Knows nothing of the warehouse."""
