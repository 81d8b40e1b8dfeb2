"""Replays of what the real servers said."""
