"""Control: what of a style comes over, and what stays the content's.

Read `colors` first: whose colors a picture has. `styles` are several styles, each with its share; `masks` say where
each goes, and `regions` reads masks. Gatys et al. 2016 and 2017 (arXiv 1606.05897, 1611.07865).
"""
