"""Metrics, tracing, logging, health: adapters of narrow ports."""
