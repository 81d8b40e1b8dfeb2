"""SeaTable as a source: bases, tables and rows, read whole, typed without loss, with proof that nothing is missing."""
