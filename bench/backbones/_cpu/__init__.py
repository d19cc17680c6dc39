"""What a CPU does in loops that numba compiles, for `bench.backbones.loops`.

`attention.py` and `norm.py` give work to torch's threads (`teams.py`); `head_by_lanes.py` and
`head_by_tiles.py` are one text by one head; `lanes.py` and `tiles.py` the registers that these are
written in; `compiling.py` keeps what was compiled.
"""
