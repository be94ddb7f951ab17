"""Large pictures and many devices: how an objective is computed where it does not fit, or should be faster.

Read `tiles` first: the losses and the gradient of a picture of any size, exactly, from one part at a time.
"""
