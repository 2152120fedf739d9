"""algo-panda: trading strategies on a stream."""
