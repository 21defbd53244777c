"""The viewer: a policy that is steered beside its reference clip, or clips alone, in a browser.

`session`, `simulation`, `checkpoint_folder` and `placement` say what is shown and know no browser; `window` shows it
with viser.
"""
