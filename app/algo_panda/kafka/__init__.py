"""Topics as code, broker administration, the embedded broker."""
