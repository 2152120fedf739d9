"""``python -m app`` is ``panda``."""

from app.cli.main import main

main()
