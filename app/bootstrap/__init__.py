"""The one place that names concrete classes: everything is wired here, by hand."""

from app.bootstrap.strategies import build_factory

__all__ = ["build_factory"]
