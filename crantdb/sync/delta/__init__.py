"""The next version of a large table from the last one: fetch what changed, prove by counts that it is all."""
