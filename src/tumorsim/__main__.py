"""``python -m tumorsim``."""

from tumorsim.cli import main

if __name__ == "__main__":
    main()
