"""How fast the system is, beside programs that do the same work: ``make bench``.

This package imports nothing, because the peers, which run in environments of their own, import
``benchmarks.work`` and ``benchmarks.peer`` from it.
"""
