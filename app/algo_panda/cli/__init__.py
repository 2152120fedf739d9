"""The command ``panda``: one module per command group."""
