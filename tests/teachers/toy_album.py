"""A small album and a teacher that need no model: what they say follows from the index."""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from semjax.store.record import Regions, Status
from semjax.teachers.base import Answers, Embedding, Importance, Question, Scenario, Silent, View

SCENARIOS = (Scenario(name="watch", text="watch it all"), Scenario(name="clean", text="clean it all"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToyAlbum:
    """Noise with two regions, one question, and an empty slot."""

    count: int = 12
    dataset: str = "toy"
    split: str = "train"
    salt: str = ""
    unreadable: tuple[int, ...] = ()
    scenarios: tuple[Scenario, ...] = SCENARIOS

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.count} {self.split} {self.salt}".encode()).hexdigest()

    @property
    def names(self) -> list[str]:
        return [f"{index}.png" for index in range(self.count)]

    def __len__(self) -> int:
        return self.count

    def place(self, index: int) -> int:
        return 1000 + index

    def view(self, index: int) -> View:
        if index in self.unreadable:
            raise OSError(f"picture {index} is torn")
        image = np.random.default_rng(index).integers(0, 256, (6, 8, 3)).astype(np.uint8)
        ids_map = np.zeros((6, 8), np.uint8)
        ids_map[2:4, 3:6] = 1
        boxes = np.array([[0, 0, 1, 1], [2 / 6, 3 / 8, 4 / 6, 6 / 8], [0, 0, 0, 0]], np.float32)
        return View(
            id=self.place(index),
            index=index,
            sha=hashlib.sha256(image.tobytes() + self.salt.encode()).hexdigest(),
            image=image,
            regions=Regions(
                ids_map=ids_map, boxes=boxes, names=("field", "cow", ""), valid=np.array([True, True, False])
            ),
            questions=(Question(text="what is it?", kind="open", source_object=1, truth="a cow"),),
            given={"name": f"{index}.png"},
        )


class ToyTeacher(Silent):
    """Says something about every picture; `views` counts those it was shown."""

    def __init__(self, salt: str = "") -> None:
        self.salt, self.views = salt, 0

    @property
    def fingerprint(self) -> dict[str, str]:
        return {"kind": "toy", "salt": self.salt}

    def importance(self, views: Sequence[View], scenarios: Sequence[Scenario]) -> list[Importance]:
        self.views += len(views)
        return [self.judged(view, len(scenarios)) for view in views]

    def judged(self, view: View, scenarios: int) -> Importance:
        assert view.regions is not None
        score = np.random.default_rng(view.id).random((scenarios, len(view.regions.valid))).astype(np.float32)
        return Importance(score=score, std=score / 10, status=np.full(score.shape, Status.OK, np.uint8), raw=f"{score}")

    def answer(self, views: Sequence[View], questions: Sequence[Sequence[Question]]) -> list[Answers]:
        return [Answers(texts=("a cow",) * len(q), logp=np.full(len(q), -1, np.float32)) for q in questions]

    def embed_image(self, views: Sequence[View], *, dense: bool = False) -> list[Embedding]:
        return [Embedding(pooled=view.image.mean((0, 1)).astype(np.float32)) for view in views]
