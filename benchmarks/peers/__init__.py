"""The peers, one program each, as their own documentation would have them written."""
