"""The applications of the gallery, one file each: its docstring is its story, ``APPLICATION`` the rest."""
