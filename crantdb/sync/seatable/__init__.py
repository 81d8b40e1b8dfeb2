"""SeaTable's part of a sync: bases become shared tables, their catalogue, and the history of their cells."""
