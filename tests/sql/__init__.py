"""Tests of sql/: every object by itself, on nothing, and in two versions at once."""
