"""The whole system once, on a broker and a database of its own, watched from outside."""
