"""What every floor stands on: checks of what is given, devices, reports that cannot fail, files of runs.

Nothing here is about style transfer. Read `checks` first: it says how what comes in is refused.
"""
