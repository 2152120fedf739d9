"""The language of the project: ticks, signals, orders, strategies. Pure, standard library only."""
