"""SA-OOSC: the scenario's importance decides how many channel symbols each part of a picture gets.

:quick      scenes of 128 x 128, four short phases in one run, to see that everything works
            python train.py --config configs/sa_oosc.py:quick --workdir runs/sa_oosc_quick
            python eval.py --checkpoint runs/sa_oosc_quick
            hardware: two CPU cores, some minutes; 10 dB AWGN: 24.8 dB at cbr 1/32 (64 test scenes, seed 0)
:transform  phase A of the miniature: transforms and entropy model, without a channel; once for all that follows
            python train.py --config configs/sa_oosc.py:transform --workdir runs/sa_oosc_transform
:natural    phase A of :coco and :camvid, on pictures without labels (bsds500, imagenet_sample, coco_vl and camvid under
            SEMJAX_DATA), beginning with :transform
            python train.py --config configs/sa_oosc.py:natural --workdir runs/sa_oosc_natural
:student    phase B: the student on frozen transforms, one per seed
            python train.py --config configs/sa_oosc.py:student --workdir runs/sa_oosc_student_0 --config.seed=0
:scenes     phases C and D: the code over the channel, then everything together; one per seed and variant
            python train.py --config configs/sa_oosc.py:scenes --workdir runs/sa_oosc_scenes_student_0 \\
                --config.train.start_from=runs/sa_oosc_student_0 --config.seed=0
            python train.py --config configs/sa_oosc.py:scenes --workdir runs/sa_oosc_scenes_oracle_0 \\
                --config.system.variant=oracle --config.seed=0
:coco, :camvid  phases C and D on real pictures under SEMJAX_DATA, beginning with checkpoints/sa_oosc_natural; labels
            are in teacher stores, made before (docs/sa_oosc.md, "Natural pictures"). Importance is that of the student
            from pixels, variant student_pixels: of :coco the shipped one, so that phase B is not needed
            python train.py --config configs/sa_oosc.py:coco --workdir runs/sa_oosc_coco_student_pixels_0
            python train.py --config configs/sa_oosc.py:coco --workdir runs/sa_oosc_coco_static_0 \\
                --config.system.variant=static
:student_camvid, :student_coco  phase B before :camvid, and before the variant student (of latents) of :coco
            python train.py --config configs/sa_oosc.py:student_camvid --workdir runs/sa_oosc_student_camvid
            python train.py --config configs/sa_oosc.py:camvid --workdir runs/sa_oosc_camvid_student_pixels_0 \\
                --config.train.start_from=runs/sa_oosc_student_camvid
:accelerator  scenes of 256 x 256 with wide networks, four phases in one run, from random parameters
            python train.py --config configs/sa_oosc.py:accelerator --workdir runs/sa_oosc_accelerator
            hardware: one GPU or TPU with 40 GB; time and PSNR: not yet measured

Variants of the same networks: --config.system.variant=oracle, static, static_scenario, roi, uniform_weighted, uniform,
student_text or student_pixels.

CHOICE: what student_pixels learned in phase B rests in C and D (`RESTING`): it is linear in what a frozen network sees
of a whole picture, the albums have few pictures, and C and D show crops.
CHOICE: crops of real pictures are large and few. Importance counts against its mean over the picture: small crops,
often of one kind, have no smooth tokens that are long, and a receiver that learned from them takes such for detail.
"""

from ml_collections import ConfigDict

VARIANTS = (
    "quick",
    "transform",
    "natural",
    "student",
    "scenes",
    "coco",
    "camvid",
    "student_coco",
    "student_camvid",
    "accelerator",
)
SCENES = {"source": "scenes", "size": 128, "truth": True}
SMALL = {"name": "residual_conv", "modulation": "none"}
NETWORKS = {
    "encoder": {**SMALL, "widths": (16, 32, 64, 96), "blocks": (0, 0, 1, 1)},
    "decoder": {**SMALL, "widths": (96, 64, 32, 16), "blocks": (1, 1, 0, 0)},
}
TRANSFORM = {"distortion_ntc": 80.0, "rate": 1.0}
AIR = {"snr_db": (0.0, 14.0), "rate": (0.25, 1.0)}
"""Real dimensions per bit are from eta / 4 to eta: after :transform about cbr 1/110 to 1/38."""
A = {"name": "transform", "weights": TRANSFORM, "trainable": "analysis|synthesis|entropy"}
B = {"name": "student", "weights": {"kd": 1.0}, "trainable": "importance"}
C = {"name": "code", "weights": {"distortion": 250.0}, "trainable": "coder|restorer", **AIR}
D = {
    "name": "joint",
    "weights": {"distortion": 250.0, **TRANSFORM, "kd": 0.1, "rank": 0.1},
    "lr_scale": 0.5,
    **AIR,
}
ALBUMS = {
    "coco": {
        "root": "$SEMJAX_DATA/coco_vl",
        "stores": {
            "train": "stores/coco/train/annotations-158d37a09bce",
            "test": "stores/coco/test/annotations-dd0c55eae359",
        },
        "scenarios": ("driving", "home_care", "animal_watch", "security", "sports"),
        "start": "coco",
        "largest": 208,
        "batch_size": 6,
    },
    "camvid": {
        "root": "$SEMJAX_DATA/camvid",
        "stores": {
            "train": "stores/camvid/train/camvid_rules-b008d97394e9",
            "test": "stores/camvid/test/camvid_rules-800b32e3f0ac",
        },
        "scenarios": ("driving", "pedestrian_safety", "road_maintenance"),
        "start": "",
        "largest": 352,
        "batch_size": 2,
    },
}
"""Real pictures, the stores that the commands of docs/teachers.md make of them, the scenarios of their labels, the
student from pixels to begin with, the side of the largest crop, and how many of these make a batch of C and D."""
RESTING = (("importance/(near|whole|place)", None), (".*", 1.0))
"""Rules under which all learns but the student from pixels."""
STARTED = "analysis|synthesis|entropy|importance"
"""Parts that an earlier phase trained."""
EVALUATION = {
    "data": {**SCENES, "split": "test", "count": 1000},
    "channels": ({"name": "awgn"}, {"name": "rayleigh"}),
    "scenario": "drawn",
    "metrics": ("psnr", "psnr_high", "psnr_low", "iw_psnr", "ssim", "ssim_high"),
    "rates": (0.25, 0.5, 0.75, 1.0),
}


def get_config(arg: str = "quick") -> ConfigDict:
    """The configuration of a variant."""
    if arg in ALBUMS:
        return album(arg)
    if arg.removeprefix("student_") in ALBUMS:
        return student_of(arg.removeprefix("student_"))
    own = {"quick": quick, "transform": transform, "natural": natural, "student": student, "scenes": scenes}
    return {**own, "accelerator": accelerator}[arg]()


def quick() -> ConfigDict:
    """Scenes, four short phases in one run."""
    phases = [{**phase, "fraction": f} for phase, f in ((A, 0.4), (B, 0.2), (C, 0.2), (D, 0.2))]
    return ConfigDict(
        {
            **_run(400, batch_size=8, phases=phases, eta=0.1),
            "eval": {**EVALUATION, "data": {**SCENES, "split": "test", "count": 64}, "rates": (0.5, 1.0)},
        }
    )


def transform() -> ConfigDict:
    """Phase A: `uniform`, because it is no variant's own."""
    cfg = _run(15_000, batch_size=16, phases=[{**A, "fraction": 1.0}])
    return ConfigDict({**cfg, "system": {**cfg["system"], "variant": "uniform"}})


def natural() -> ConfigDict:
    """Phase A on natural pictures: `uniform` needs no labels. It begins with the transform of scenes."""
    roots = tuple(f"$SEMJAX_DATA/{name}" for name in ("bsds500", "imagenet_sample", "coco_vl", "camvid"))
    cfg = _run(10_000, batch_size=16, phases=[{**A, "fraction": 1.0}], after="checkpoints/sa_oosc_transform")
    cfg["system"]["variant"] = "uniform"
    train = {"source": "archives", "roots": roots, "split": "train", "crop": 128, "cache_mb": 2000}
    shown = {"data": {"source": "archive", "root": "$SEMJAX_DATA/kodak24", "split": "test"}, "batch_size": 4}
    return ConfigDict({**cfg, "data": {**cfg["data"], "train": train}, "eval": shown})


def student() -> ConfigDict:
    """Phase B."""
    return ConfigDict(_run(4_000, batch_size=16, phases=[{**B, "fraction": 1.0}], after="runs/sa_oosc_transform"))


def scenes() -> ConfigDict:
    """Phases C and D."""
    phases = [{**C, "fraction": 0.6}, {**D, "fraction": 0.4}]
    return ConfigDict(_run(1_300, batch_size=16, phases=phases, after="runs/sa_oosc_transform"))


def album(name: str) -> ConfigDict:
    """Phases C and D on an album, on crops as large as its pictures allow."""
    cfg = _on(
        name, [{**C, "fraction": 0.6}, {**D, "fraction": 0.4}], steps=1_300, batch_size=ALBUMS[name]["batch_size"]
    )
    return ConfigDict({**cfg, "optim": {**cfg["optim"], "rules": RESTING}})


def student_of(name: str) -> ConfigDict:
    """Phase B on an album: on crops as large as its pictures allow, as a student looks at the whole."""
    cfg = _on(name, [{**B, "fraction": 1.0}], steps=400, batch_size=8)
    if name == "coco":
        cfg["system"] |= {"variant": "student", "start": ""}
    return ConfigDict(cfg)


def _on(name: str, phases: list[dict], *, steps: int, batch_size: int) -> dict:
    cfg = _run(steps, batch_size=batch_size, phases=phases, after="checkpoints/sa_oosc_natural")
    cfg["system"] |= {"variant": "student_pixels", "scenarios": len(ALBUMS[name]["scenarios"]), "tables": name}
    cfg["system"]["start"] = ALBUMS[name]["start"]
    train = {**_pictures(name, "train"), "crop": ALBUMS[name]["largest"], "flip": "horizontal", "cache_mb": 2000}
    shown = {**EVALUATION, "data": _pictures(name, "test"), "batch_size": 4}
    return {**cfg, "data": {**cfg["data"], "train": train}, "eval": shown}


def _pictures(name: str, split: str) -> dict:
    known = ALBUMS[name]
    teachers = {"stores": (known["stores"][split],), "scenarios": known["scenarios"], "classes": name}
    return {"source": "archive", "root": known["root"], "split": split, "teachers": teachers}


def accelerator() -> ConfigDict:
    """Four phases, networks and pictures of the size that the paper's authors are likely to have used."""
    phases = [{**phase, "fraction": f} for phase, f in ((A, 0.6), (B, 0.1), (C, 0.15), (D, 0.15))]
    cfg = _run(300_000, batch_size=64, phases=phases)
    cfg["system"] |= {"features": 256, "width": 256, "depth": 4}
    for part, widths in (("encoder", (64, 128, 192, 256)), ("decoder", (256, 192, 128, 64))):
        cfg[part] = {**SMALL, "widths": widths, "blocks": (2, 2, 2, 2)}
    scenes = {**SCENES, "size": 256}
    cfg["data"]["train"] |= {**scenes, "crop": 256}
    cfg["eval"] = {**EVALUATION, "data": {**scenes, "split": "test", "count": 1000}}
    cfg["optim"] |= {"lr": 3e-4, "warmup": 2_000, "ema_decay": 0.999}
    return ConfigDict({**cfg, "compute_dtype": "bfloat16"})


def _run(steps: int, *, batch_size: int, phases: list[dict], after: str = "", eta: float = 0.5) -> dict:
    return {
        "system": {"name": "sa_oosc", "eta": eta},
        **NETWORKS,
        "phases": tuple(phases),
        "data": {
            "train": {**SCENES, "split": "train", "count": 20_000, "crop": 128, "flip": "none", "cache_mb": 2000},
            "batch_size": batch_size,
        },
        "optim": {"lr": 1e-3, "warmup": min(100, steps // 20), "clip": 1.0, "ema_decay": 0.99},
        "train": {
            "steps": steps,
            "log_every": max(20, steps // 100),
            "checkpoint_every": max(100, steps // 20),
            "start_from": after,
            "start_parts": STARTED if after else ".*",
        },
        "eval": EVALUATION,
    }
