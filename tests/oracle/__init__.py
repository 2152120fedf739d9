"""A naive model of the whole pipeline, to compare what the workers left on the topics with.

Written from the documented rules and the schema files alone. It imports the standard library,
fastavro and yaml, and nothing of the program, so that a fault of the program is not a fault of
the model; ``runner`` calls users' code, and so imports the values that such code takes and
returns. Raw records in, one sentence per difference out.
"""
