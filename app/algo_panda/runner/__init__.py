"""The capability-driven strategy runner: ticks in, signals out; knows no Kafka."""
