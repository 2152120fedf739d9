"""The paper venue: fills without a market."""
