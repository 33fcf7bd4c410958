"""A web page on which people click: over a running tracker, or over a recording.

`desk.py` says what a page needs; `live.py` and `recorded.py` provide it. `session.py` is what one
open page knows, without any browser; `ui/` is the only part that knows NiceGUI.
"""
