"""Tick sources and the publisher."""
