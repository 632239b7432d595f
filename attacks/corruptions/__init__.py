"""Eighteen corruptions at five levels each, as functions of 8-bit images and as cards."""
