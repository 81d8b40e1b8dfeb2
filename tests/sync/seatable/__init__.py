"""Tests of SeaTable's part of a sync."""
