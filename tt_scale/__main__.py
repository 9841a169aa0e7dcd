"""`python -m tt_scale` is `tt-scale`."""

from tt_scale.cli.main import main

if __name__ == "__main__":
    main()
