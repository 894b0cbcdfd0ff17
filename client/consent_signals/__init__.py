"""Consent signals of other tools, read for what they truly mean (docs/consent-signals.md has every row).

Everything here is pure: text in, proposed events out. Only `signal_file` opens files.
"""
