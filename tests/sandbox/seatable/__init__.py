"""Tests of the sandbox's SeaTable."""
