"""The next version of a synapse table by what changed: against the truth, and on bad days."""
