"""The vault's schema, as numbered SQL files that are applied in order and never edited afterwards."""
