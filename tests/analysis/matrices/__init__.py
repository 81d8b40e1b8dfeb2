"""Tests of the nested matrices."""
