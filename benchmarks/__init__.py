"""The measurements: each prints what it measured, on how many rows, on which machine."""
