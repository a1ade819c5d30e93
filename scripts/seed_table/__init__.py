"""The parts of `scripts/reproduce_seed_table.py`."""
