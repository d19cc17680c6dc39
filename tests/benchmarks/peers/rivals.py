"""Ways from a few labelled texts to a trained classifier, as other libraries have them.

Each is made from the parameters of one of bench's methods, so that both learn at the same rates
for as many steps. The weights are loaded when one is made, before any clock runs: `fit` begins
with texts and ends with a classifier, tokenising included.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.core.method import Parameters
from bench.core.task import Split
from bench.methods._training import Recipe
from tests.benchmarks.peers import contenders as ways

Predict: TypeAlias = Callable[[Sequence[Any]], NDArray[np.int64]]
Fit: TypeAlias = Callable[[Split], Predict]

LINEAR = ("query", "key", "value", "output.dense", "intermediate.dense")
"""Ends of the names of the linear layers in BERT's blocks: what bench adapts."""
HEAD_SD = 0.02
"""What transformers' BERT draws a new head with, and bench."""


def tuned(given: Parameters, classes: int, seed: int) -> Fit:
    """Every weight and a linear head on mean pooling, by transformers' Trainer."""
    from transformers import AutoModel

    return trainer(AutoModel.from_pretrained(str(ways.weights())), given, classes, seed)


def adapted(given: Parameters, classes: int, seed: int) -> Fit:
    """peft's LoRA on every linear layer of the blocks and a linear head, by the Trainer."""
    import peft
    from transformers import AutoModel, set_seed

    set_seed(seed)
    config = peft.LoraConfig(
        r=int(given["rank"]),
        lora_alpha=int(given["alpha"]),
        lora_dropout=float(given["adapter_dropout"]),
        target_modules=list(LINEAR),
    )
    encoder = peft.get_peft_model(AutoModel.from_pretrained(str(ways.weights())), config)
    return trainer(encoder, given, classes, seed)


def trainer(encoder: Any, given: Parameters, classes: int, seed: int) -> Fit:
    """transformers' Trainer as it is mostly used: padding per batch, its own AdamW."""
    from transformers import (
        AutoTokenizer,
        DataCollatorWithPadding,
        PrinterCallback,
        Trainer,
        TrainingArguments,
    )

    tokenizer = AutoTokenizer.from_pretrained(str(ways.weights()))
    model = classifier(encoder, classes, float(given["dropout"]), seed)

    def encoded(texts: Sequence[Any], targets: NDArray[np.int64] | None = None) -> list[Any]:
        ready = tokenizer(list(texts), truncation=True, max_length=ways.MAX_LENGTH)
        rows = [{name: ready[name][i] for name in ready} for i in range(len(texts))]
        if targets is not None:
            for row, target in zip(rows, targets, strict=True):
                row["labels"] = int(target)
        return rows

    def fit(train: Split) -> Predict:
        with tempfile.TemporaryDirectory() as folder:
            told = TrainingArguments(
                output_dir=folder,
                num_train_epochs=Recipe.of(given, len(train)).epochs,
                per_device_train_batch_size=int(given["batch_size"]),
                per_device_eval_batch_size=ways.BATCH,
                warmup_steps=float(given["warmup"]),
                seed=seed,
                use_cpu=True,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
            )
            runner = Trainer(
                model=model,
                args=told,
                train_dataset=encoded(train.inputs, train.targets),
                data_collator=DataCollatorWithPadding(tokenizer),
                optimizers=(optimizer(model, told, given), None),
            )
            runner.remove_callback(PrinterCallback)
            runner.train()

        def predict(texts: Sequence[Any]) -> NDArray[np.int64]:
            return np.asarray(runner.predict(encoded(texts)).predictions).argmax(1)

        return predict

    return fit


def optimizer(model: Any, told: Any, given: Parameters) -> Any:
    """What the Trainer would make, with a rate of its own for the head."""
    from transformers import Trainer

    kind, settings = Trainer.get_optimizer_cls_and_kwargs(told)
    rates = {"encoder": given["learning_rate"], "head": given["head_learning_rate"]}
    groups = [
        {
            "params": [
                weight
                for weight in getattr(model, part).parameters()
                if weight.requires_grad and (weight.ndim > 1) == decays
            ],
            "lr": float(rate),
            "weight_decay": float(given["weight_decay"]) if decays else 0.0,
        }
        for part, rate in rates.items()
        for decays in (True, False)
    ]
    return kind([group for group in groups if group["params"]], **settings)


def classifier(encoder: Any, classes: int, dropout: float, seed: int) -> Any:
    """An encoder, mean pooling and a linear head, as a module that the Trainer can train."""
    import torch

    class Classifier(torch.nn.Module):
        """Token ids and labels in, loss and logits out."""

        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder
            self.dropout = torch.nn.Dropout(dropout)
            self.head = torch.nn.Linear(encoder.config.hidden_size, classes)
            random = torch.Generator().manual_seed(seed)
            torch.nn.init.normal_(self.head.weight, std=HEAD_SD, generator=random)
            torch.nn.init.zeros_(self.head.bias)

        def forward(
            self,
            input_ids: Any,
            attention_mask: Any,
            token_type_ids: Any = None,
            labels: Any = None,
        ) -> dict[str, Any]:
            states = self.encoder(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state
            mask = attention_mask.unsqueeze(-1).float()
            logits = self.head(self.dropout((states * mask).sum(1) / mask.sum(1)))
            if labels is None:
                return {"logits": logits}
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    return Classifier()


def contrasted(given: Parameters, _: int, seed: int) -> Fit:
    """The setfit library, logistic regression as its head."""
    import datasets
    from setfit import SetFitModel, Trainer, TrainingArguments
    from sklearn.linear_model import LogisticRegression
    from transformers import PrinterCallback

    from bench.core.suite import Precision

    datasets.disable_progress_bars()
    body = ways.sentence_transformer(Precision.FP32)
    model = SetFitModel(model_body=body, model_head=LogisticRegression(C=float(given["C"])))

    def fit(train: Split) -> Predict:
        columns = {"text": list(train.inputs), "label": train.targets.tolist()}
        with tempfile.TemporaryDirectory() as folder:
            told = TrainingArguments(
                output_dir=folder,
                batch_size=int(given["batch_size"]),
                num_epochs=int(given["epochs"]),
                num_iterations=int(given["pairs"]),
                body_learning_rate=float(given["learning_rate"]),
                warmup_proportion=float(given["warmup"]),
                l2_weight=float(given["weight_decay"]),
                seed=seed,
                save_strategy="no",
                report_to="none",
                show_progress_bar=False,
            )
            data = datasets.Dataset.from_dict(columns)
            runner = Trainer(model=model, args=told, train_dataset=data)
            runner.st_trainer.remove_callback(PrinterCallback)
            runner.train()
        return lambda texts: np.asarray(model.predict(list(texts), as_numpy=True))

    return fit
