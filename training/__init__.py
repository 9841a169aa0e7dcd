"""How the pocket models are made: `make pocket`, or `python -m training` with its flags."""
