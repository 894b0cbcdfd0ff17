"""Measurements of speed and size, always ratios of methods that take turns in one run; never a timed test."""
