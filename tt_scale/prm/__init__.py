"""Process reward models, loaded late and by name; see `tt_scale.registry`."""
