"""The page itself, on NiceGUI. Everything that decides anything is outside of this folder."""
