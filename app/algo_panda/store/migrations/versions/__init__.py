"""The revisions, one module each. They never change, and import nothing that does."""
