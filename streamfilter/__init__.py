"""Open-set logo filter for video: finds the logos it was taught, says "none of these" about everything else."""

__version__ = "0.1.0"
