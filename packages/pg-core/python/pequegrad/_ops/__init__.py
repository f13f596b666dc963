"""Composites over the records: one family per module; the package re-exports their public names."""
