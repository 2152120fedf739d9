"""``python -m algo_panda`` is ``panda``."""

from algo_panda.cli.main import main

if __name__ == "__main__":
    main()
