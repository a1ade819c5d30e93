"""The demo: invented logos, drawn scenes of them, and a run of the real pipeline on a drawn clip."""
