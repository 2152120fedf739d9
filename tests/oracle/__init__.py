"""A naive model of risk, router and paper venue, to compare what they left on the topics with.

Written from the documented rules and the schema files alone. It imports the standard library,
fastavro and yaml, and nothing of the program, so that a fault of the program is not a fault of
the model. Every function is pure: raw records in, one sentence per difference out.
"""
