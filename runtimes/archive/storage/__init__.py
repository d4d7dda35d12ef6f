"""Where results lie: a folder, or an object store behind a URL of fsspec's. Nothing else knows which of them it is.

An object store has no folders, locks or renames. It has what the archive needs: an object is replaced as a whole, and
is read in pieces.
"""
