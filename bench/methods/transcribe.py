"""Speech recognition: a speech model as it is, and trained on transcripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.core.backbone import Transcriber
from bench.core.errors import NotApplicableError
from bench.core.method import (
    Context,
    Fitted,
    Method,
    MethodSpec,
    Needs,
    Parameter,
    Parameters,
    Scalar,
    Size,
)
from bench.core.predictions import Predictions, TextPredictions
from bench.core.task import Input, Modality, Split, TaskKind
from bench.methods import _training as training
from bench.methods._layers import train_only
from bench.methods._training import Recipe

ONLY = frozenset({TaskKind.TRANSCRIPTION})
WHISPER = "Radford et al. 2022, arXiv:2212.04356"
LANGUAGE = Parameter(
    "language", "", "code (en, de, ...) of what is spoken; empty: heard from each sound"
)

ZERO_SHOT = MethodSpec(
    name="transcribe",
    version=1,
    summary="a speech model writes down what it hears, untrained on the task",
    needs=Needs.SPEECH,
    modalities=frozenset({Modality.AUDIO}),
    kinds=ONLY,
    parameters=(LANGUAGE,),
    labels=False,
    reference=WHISPER,
)
FINETUNE = MethodSpec(
    name="finetune-transcribe",
    version=1,
    summary="a speech model trained on transcripts, encoder and decoder",
    needs=Needs.SPEECH,
    modalities=frozenset({Modality.AUDIO}),
    kinds=ONLY,
    parameters=(
        LANGUAGE,
        Parameter("trainable", "all", "which of the weights change",
                  choices=("all", "decoder", "bias", "norm")),
        Parameter("own_window", True, "windows as short as the clips, not 30 seconds"),
        *training.parameters(learning_rate=1e-4, head_learning_rate=1e-4, epochs=3, batch_size=16),
    ),
    search_space=({}, {"learning_rate": 3e-5}, {"learning_rate": 3e-4}, {"trainable": "decoder"}),
    deterministic=False,
    reference=WHISPER,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """A speech model that is ready.

    It tells how many of the sounds that it wrote down last were longer than it hears, and how many
    transcripts than it has positions: both lack their end.
    """

    model: Transcriber
    trained: int = 0
    told: dict[str, Scalar] = field(default_factory=dict)

    def predict(self, inputs: Sequence[Input]) -> Predictions:  # noqa: ARG002
        raise NotApplicableError("it writes transcripts, and knows no classes")

    def transcribe(self, inputs: Sequence[Input]) -> TextPredictions:
        said = self.model.transcribe(inputs)
        self.told.update(sounds_cut=said.sounds_cut, transcripts_cut=said.texts_cut)
        return TextPredictions(said.texts)

    def size(self) -> Size:
        return Size(self.trained, 4 * self.trained)

    def facts(self) -> dict[str, Scalar]:
        return self.told


@dataclass(frozen=True, slots=True)
class Transcribe:
    """See `ZERO_SHOT`."""

    spec: MethodSpec = ZERO_SHOT

    def fit(
        self,
        parameters: Parameters,
        train: Split,  # noqa: ARG002 -- nothing is learned
        validation: Split | None,  # noqa: ARG002
        context: Context,
    ) -> Fitted:
        return Written(context.transcriber().speaking(str(parameters["language"])))


@dataclass(frozen=True, slots=True)
class FinetuneTranscribe:
    """See `FINETUNE`."""

    spec: MethodSpec = FINETUNE

    def passes(self, parameters: Parameters, items: int) -> float:
        return training.passes(parameters, items)

    def at_once(self, parameters: Parameters) -> int:
        return training.at_once(parameters)

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,  # noqa: ARG002 -- nothing is stopped early
        context: Context,
    ) -> Fitted:
        refuse_what_is_not_looked_at(parameters)
        given = context.transcriber().speaking(str(parameters["language"]))
        model = given.fresh(None if parameters["own_window"] else given.window)
        what = str(parameters["trainable"])
        train_only(model.network, "all" if what == "decoder" else what)
        if what == "decoder":
            model.network.get_encoder().requires_grad_(False)
        prepared = model.prepare(train.inputs)
        texts = [context.class_names[i] for i in train.targets]
        weights = [p for p in model.network.parameters() if p.requires_grad]

        def loss(items: training.Items, batch: training.Items) -> training.Tensor:
            return model.loss(prepared, items, batch, texts)

        decay = float(parameters["weight_decay"])
        rate = float(parameters["learning_rate"])
        groups = [
            {"params": [p for p in weights if p.ndim > 1], "lr": rate, "weight_decay": decay},
            {"params": [p for p in weights if p.ndim <= 1], "lr": rate, "weight_decay": 0.0},
        ]
        recipe = Recipe.of(parameters, len(train))
        training.descend(
            model.network, [g for g in groups if g["params"]], loss, prepared.lengths, recipe,
            context,
        )  # fmt: skip
        count = int(np.sum([p.numel() for p in weights]))
        told: dict[str, Scalar] = {
            "training_sounds_cut": int(prepared.truncated.sum()),
            "training_transcripts_cut": model.beyond(texts),
        }
        return Written(model, count, told)


def refuse_what_is_not_looked_at(parameters: Parameters) -> None:
    """Nothing is learned otherwise by these two, which all trainings have: another value would be
    another cell of the same result.

    Raises:
        NotApplicableError: if one of them is not as it comes.
    """
    if int(parameters["patience"]):
        raise NotApplicableError("finetune-transcribe does not stop early: set epochs")
    if parameters["head_learning_rate"] != FINETUNE.defaults["head_learning_rate"]:
        raise NotApplicableError("finetune-transcribe has no head of its own: set learning_rate")


METHODS: tuple[Method, ...] = (Transcribe(), FinetuneTranscribe())
