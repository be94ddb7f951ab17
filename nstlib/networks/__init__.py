"""Which networks there are: what they are made of, what their layers are called, and where their positions lie.

Read `backbone` first: what the rest of the package knows of a network. `vgg` and `mini` are plain sequences; `resnets`,
`squeezenet` and `inception` are graphs, of which `tracing` cuts out what some layers need and `receptive` tells what a
position sees. `initializing` makes random weights. `nstlib.backbones` knows them by name and finds their weights.
"""
