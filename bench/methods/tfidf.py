"""tf-idf and logistic regression: the classical control that needs no backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.method import (
    Context,
    Fitted,
    Method,
    MethodSpec,
    Needs,
    Parameter,
    Parameters,
    Size,
)
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

    def size(self) -> Size:
        learned = 0 if self.model is None else self.model.coef_.size + self.model.intercept_.size
        return Size(learned, sum(array.nbytes for array in self.state().values()))

    def state(self) -> dict[str, NDArray[Any]]:
        """Terms by their columns, as lines of UTF-8, their weights, and the classifier."""
        found = {"seen": self.seen, "shares": self.shares}
        if self.model is None:
            return found
        terms = "\n".join(self.vectorizer.get_feature_names_out()).encode("utf-8")
        return {
            **found,
            "terms": np.frombuffer(terms, dtype=np.uint8),
            "idf": self.vectorizer.idf_,
            "weights": self.model.coef_,
            "biases": self.model.intercept_,
        }


@dataclass(frozen=True, slots=True)
class Tfidf:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def restore(
        self, state: Mapping[str, NDArray[Any]], parameters: Parameters, context: Context
    ) -> Fitted:
        seen, shares = state["seen"], state["shares"]
        if "weights" not in state:
            return FittedTfidf(counter(parameters), None, seen, shares, context.classes)
        terms = state["terms"].tobytes().decode("utf-8").split("\n")
        vectorizer = counter(parameters, {term: at for at, term in enumerate(terms)})
        vectorizer.idf_ = state["idf"]
        model = logistic(parameters["C"], parameters["max_iter"], context.seed)
        model.coef_, model.intercept_ = state["weights"], state["biases"]
        model.classes_ = np.arange(len(seen))
        return FittedTfidf(vectorizer, model, seen, shares, context.classes)

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,  # noqa: ARG002 -- nothing is stopped early
        context: Context,
    ) -> Fitted:
        vectorizer = counter(parameters)
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


def counter(parameters: Parameters, vocabulary: dict[str, int] | None = None) -> Any:
    """scikit-learn's weighted counts of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        sublinear_tf=True,
        strip_accents="unicode",
        ngram_range=(1, int(parameters["ngrams"])),
        token_pattern=r"(?u)\b\w+\b",  # noqa: S106 -- one-letter words too: "u s" is two of them
        vocabulary=vocabulary,
    )


METHODS: tuple[Method, ...] = (Tfidf(),)
