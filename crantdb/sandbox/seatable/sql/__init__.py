"""SeaTable's SQL over Python rows."""
