"""Presets: one YAML file each; `mlubench list presets` shows them."""
