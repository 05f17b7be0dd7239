"""What the reader can touch: `view_*` functions that draw one view, and the thin ipywidgets wrappers around them.

A notebook calls the view first, plainly, so that a batch run meets its errors and the saved page shows it; the next
cell wraps the same function. Sliders wait for the release (`continuous_update=False`); nothing trains behind one.
"""
