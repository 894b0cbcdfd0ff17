"""Pages about consent that a person can read: plain HTML without scripts, in several languages."""
