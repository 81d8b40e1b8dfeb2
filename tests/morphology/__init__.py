"""Tests of skeletons and SWC."""
