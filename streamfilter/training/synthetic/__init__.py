"""Negatives that are made, not found: one file per method. Some are pictures for the scenes, some embeddings."""
