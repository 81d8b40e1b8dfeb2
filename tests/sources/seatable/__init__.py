"""SeaTable as a source: types, pages, edits while reading, limits, faults."""
