"""Scenes of the content pictures: each module builds one in Blender, from nothing but numbers."""
