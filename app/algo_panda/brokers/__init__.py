"""Venues, one folder each, all in the same shape."""
