"""Tests of the warehouse: the disk's part of every promise."""
