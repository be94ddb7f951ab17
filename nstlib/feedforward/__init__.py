"""Feed-forward: networks that paint a picture in one pass, their training and their files.

`fast` paints in one call, and `command` from the command line: python -m nstlib.fast photo.jpg swirls -o out.png.

Read `network` first: many styles in one network, each a row of numbers (Johnson et al. 2016, arXiv 1603.08155; Dumoulin
et al. 2017, arXiv 1610.07629). `layers` are its parts, `painting` and `tiles` do any size, `files` keeps them,
`export` writes them as ONNX. `any_style` paints in the style of any picture, in two ways: `adain` (Huang and Belongie
2017, arXiv 1703.06868) and `predicting` (Ghiasi et al. 2017, arXiv 1705.06830). What all have in common is in `styled`.

`training` teaches them: `judging` says how well they paint, by the objective of a slow transfer, and `pictures` and
`drawing` give what they learn on; `any_training` and `paintings` are for any style, and `studying` makes the first look
at a painting better in some seconds. `stages` shows small pictures first; `python -m nstlib.fast --train` does it from
the command line.
"""
