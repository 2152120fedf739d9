"""The paper venue: orders filled by recorded and live ticks, without a market."""
