"""Large pictures and many devices: how an objective is computed where it does not fit, or should be faster.

Read `ways` first: the losses and the gradient of a picture of any size, exactly, whole or from one part at a time.
`tiles` cuts, `budget` says what fits, `pyramid` goes from coarse to fine, `ranks` shares, `recording` replays.
"""
