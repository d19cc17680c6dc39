"""tf-idf and logistic regression: the classical control that needs no backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.method import Context, Fitted, Method, MethodSpec, Needs, Parameter, Parameters
from bench.core.predictions import Predictions, spread
from bench.core.task import Input, Modality, Split
from bench.methods.probe import fit_quietly, logistic

SPEC = MethodSpec(
    name="tfidf",
    version=1,
    summary="word n-gram tf-idf + logistic regression; learned from labelled texts alone",
    needs=Needs.INPUTS,
    parameters=(
        Parameter("C", 10.0, "inverse strength of the L2 penalty", low=1e-6, high=1e6),
        Parameter("ngrams", 1, "words in a row that make a term, at most", low=1, high=5),
        Parameter("max_iter", 1000, "iterations of L-BFGS at most", low=1),
    ),
    search_space=(
        {},
        {"C": 100.0},
        {"ngrams": 2},
        {"C": 1.0},
        {"C": 100.0, "ngrams": 2},
        {"C": 1000.0},
    ),
    modalities=frozenset({Modality.TEXT}),
    reference="Salton & Buckley 1988, doi:10.1016/0306-4573(88)90021-0",
)


@dataclass(frozen=True, slots=True)
class FittedTfidf:
    """Vocabulary, weights and classifier."""

    vectorizer: Any
    model: Any  # None where training had one class, or no word at all
    seen: NDArray[np.int64]
    shares: NDArray[np.float64]
    classes: int

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        if self.model is None:
            rows = np.tile(self.shares, (len(inputs), 1))
        else:
            rows = self.model.predict_proba(self.vectorizer.transform(list(inputs)))
        return spread(rows, self.seen, self.classes)


@dataclass(frozen=True, slots=True)
class Tfidf:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,  # noqa: ARG002 -- nothing is stopped early
        context: Context,
    ) -> Fitted:
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(
            sublinear_tf=True,
            strip_accents="unicode",
            ngram_range=(1, int(parameters["ngrams"])),
            token_pattern=r"(?u)\b\w+\b",  # noqa: S106 -- one-letter words too: "u s" is two of them
        )
        seen, targets = np.unique(train.targets, return_inverse=True)
        shares = np.bincount(targets) / len(targets)
        try:
            features = vectorizer.fit_transform(list(train.inputs))
        except ValueError:  # scikit-learn's word for "not one word in all the texts"
            return FittedTfidf(vectorizer, None, seen, shares, context.classes)
        if len(seen) == 1:
            return FittedTfidf(vectorizer, None, seen, shares, context.classes)
        model = logistic(parameters["C"], parameters["max_iter"], context.seed)
        fit_quietly(model, features, targets)
        return FittedTfidf(vectorizer, model, seen, shares, context.classes)


METHODS: tuple[Method, ...] = (Tfidf(),)
