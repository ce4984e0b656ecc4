"""Linear transmission of block transform coefficients (SoftCast style): the floor under every learned system.

Nothing is trained: the run writes its starting point as a checkpoint, to be evaluated like any other.
    python train.py --config configs/linear.py --workdir runs/linear
    python eval.py --checkpoint runs/linear
hardware: any; seconds. PSNR on scenes: not yet measured.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """cbr 1/12, procedural scenes of 64x64."""
    scenes = {"source": "scenes", "size": 64}
    return ConfigDict(
        {
            "system": {"name": "linear", "cbr": 1 / 12, "prior": "natural"},
            "data": {"train": {**scenes, "split": "train", "crop": 64}},
            "train": {"steps": 0},
            "eval": {
                "data": {**scenes, "split": "test", "count": 64},
                "channels": ({"name": "awgn"}, {"name": "rayleigh"}),
                "draws": 2,
            },
        }
    )
