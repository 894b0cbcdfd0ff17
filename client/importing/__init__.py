"""Imports: files that shops export, understood, shown in plain words and saved as a whole or not at all."""
