"""Tests of the remote services: spans, harvests, requests."""
