"""`python -m tt_scale` is `tt-scale`."""

from tt_scale.cli import main

if __name__ == "__main__":
    main()
