"""Tests of the sync, against the sandbox over real HTTP."""
