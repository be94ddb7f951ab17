"""Other answers to what style is: statistics of features, and how far two of them are apart, one short class each.

Read `statistics` first: what a style loss is asked for. `means` holds those whose statistics are means over positions,
`positions` and its neighbors those that compare position with position; `names` knows each by its name.
"""
