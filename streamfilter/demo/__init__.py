"""The demo: invented logos, drawn scenes of them, and a run of the real pipeline on a drawn clip.

shapes.py       outlines, layers, and the brush that fills them
marks.py        the invented logos: taught and untaught
strangers.py    random marks of no label, for training
clutter.py      backgrounds
folder.py       a training folder drawn from all of these
scene.py        actors and camera: one frame and what can be seen in it
storyboard.py   who appears in the clip when
clip.py         the clip and its truth
score.py        events against truth
runner.py       `run_demo`, all of it in one call
"""
