"""Makes a model's network run in int8, where it then decides alike. Importing this package imports torch."""

from streamfilter.quantising.quantise import Material, Measured, find_material, quantise

__all__ = ["Material", "Measured", "find_material", "quantise"]
