"""What `nstlib.images` stands on: what the pixels of a file mean, files that Pillow alone refuses, and saving.

Read `pixels` first: transparency, color profiles, deep gray and size, in bounded memory.
"""
