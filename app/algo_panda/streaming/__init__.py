"""The only Faust code: apps, agents, transport, checkpointed tables."""
