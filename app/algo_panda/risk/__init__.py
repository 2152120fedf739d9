"""Risk checks and the engine that runs them; knows no Kafka."""
