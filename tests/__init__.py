"""The tests; they mirror crantdb/."""
