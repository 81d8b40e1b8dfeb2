"""Ids across versions: a chain of them, edited at random, whose truth is known."""
