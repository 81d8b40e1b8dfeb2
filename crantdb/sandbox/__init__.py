"""CAVE on loopback over a generated world: for the demo and the tests."""
