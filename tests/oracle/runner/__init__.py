"""A naive, single-threaded model of the runner, to compare what it left on its topics with.

It goes through ``ticks`` once, from the first record to the last, and calls the strategies that
``activations`` name. Of the program it imports plain values alone, because strategies and
validators take and return them: ticks, bars, configurations, signals and violations.
"""
