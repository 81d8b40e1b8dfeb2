"""Skeletons and SWC from arrays: what the warehouse holds of L2 data, made into trees. No network, no disk of its own."""
