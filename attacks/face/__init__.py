"""Attacks that know what a face is, or a picture: masks, bands of frequencies, pyramids, warps."""
