"""Search methods, one file each; `tt_scale.registry` finds them by name."""
