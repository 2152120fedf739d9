"""The one place that names concrete classes: everything is wired here, by hand."""

from algo_panda.bootstrap.strategies import build_factory

__all__ = ["build_factory"]
