"""Recorded ticks through the live runner, risk, router and paper broker; only the edges differ."""
