"""The page's prose: what was done to get the numbers below it."""

from __future__ import annotations

INTRO = """
The same inputs through bench and through what people use today, in turn on one machine (A B C,
C B A, B C A, ...). A ratio is the other's time over bench's, pair by pair: above 1 bench is
faster. It is the median, in brackets its 95 % bootstrap interval. Rows with * have fewer than
{few} pairs: their intervals are too short. Every contender has the same number of threads unless
a row says otherwise. No absolute time is shown: on a shared machine it would say little; the raw
samples are in the files beside this page. `make peers` measures everything again and makes this
page.
"""

TEXT = """
minilm-l6 (all-MiniLM-L6-v2), raw texts in, pooled float32 features out in input order; tokenising
is inside, no cache, other distinct texts each round. The cosine is the least of a text's features
with those of SentenceTransformer.encode in float32, before / after the timing, on different
texts. {compiler}; tuned is the fastest of a short sweep over batch sizes, as
it is and compiled. onnxruntime's settings are swept alike: batch size, and the graph as exported
or with its attention fused. The sweeps stand below. bench runs at its defaults. The process keeps
freed memory (`bench.measure.keep_memory`), as bench's workers do, for all of them.
"""

TEXT_AMX = """
The same where the processor has tiles for bfloat16, whose products then are several times as fast
and leave more of the time to all else. The two cores that a virtual machine shows may be two
threads of one. {compiler}.
"""

TEXT_AVX2 = """
The same on an older processor, whose registers are half as wide. It would compute bfloat16 in
float32, at a sixth of the speed: so there is none. {compiler}.
"""

AS_ABOVE = """
Measured as above.
"""

CEILING = """
How near that is to the machine's own limit: FLOPs of the encoder, L (24 d^2 + 4 s d) a token of a
text of s tokens, over those of bare matrix products in the same time. oneDNN's packed product at
the feed-forward shape ran in turn with the others; torch's products (the better of a large square
one and that shape) before and after.
"""

MTEB = """
MTEB's own Banking77Classification (the model as SentenceTransformer, the data from the same
files) against `bench run suites/mteb-banking77.toml`: ten experiments of 8 labels a class,
accuracy and macro F1 on 3,080 test items. Each run is a process of its own with fresh caches.
With start-up: from the process's start to its end, imports, reading the data and loading the
model included, for both. Without: MTEB's `evaluate` with everything loaded, against the phases of
bench's cells, which still load the model and the data. Differences of scores are in points: the
largest of any experiment's, of the means between the two, and of bench's mean to MTEB's published
one (fp32).
"""

TEXT_CUDA = """
minilm-l6 on a GPU, raw texts in, pooled float32 features on the host out in input order, other
distinct texts each round; tokenising is inside but for *warm tokens*, where bench has the token
ids of every text from the time before (a third number, no end-to-end one). *Compiled* is bench
with `compile = true`. sentence-transformers runs at its defaults (float32, batches of 32), and
tuned in bfloat16: the fastest of a short sweep over batch sizes, as it is and compiled
({compiler}). bench runs at its defaults, and the cosine is as above.
"""

HEADS = """
Logistic regression on draws of Banking77 ({n} items, {dims} features, {classes} classes):
`bench.methods._logistic.solve`, all at once, against scikit-learn's LogisticRegression, one after
the other. Both stop where the largest entry of the mean gradient is at most a tolerance; what
each reached, in float64, is the largest over the problems. Threads are the process's, or 1 where
it says so: scikit-learn is the faster with one. Predictions on {items:,} test items a problem are
compared with each other, and with those at a gradient of {exact:g}. A path is C from {least:g}
to {most:g}; with warm start scikit-learn begins each fit where the last one of its path ended.
"""

HEADS_CUDA = """
The same problems ({n} items, {dims} features, {classes} classes) solved by bench on the GPU,
against scikit-learn on one thread of the processor beside it, which is the faster with one.
Features are on the host, so that the copies are inside. Tolerances, gradients and predictions as
above, on {items:,} test items; predictions are compared with those at a gradient of {exact:g}, too.
A path is C from {least:g} to {most:g}.
"""

TRAINING = """
{backbone} trained on {task} with {per_class} labels a class, by bench's methods at their defaults
and by other libraries at the same settings: rates, batch size, passes, warm-up, weight decay,
clipping, the same start of the head; the seed is the same number, what is drawn with it is not the
same. Each draw is fitted by both, one after the other in one process, the one first and then the
other. A fit is from texts to a classifier with the weights in memory. Processor time is that of the
process on all cores, which other load on the machine disturbs less; it keeps freed memory, as
bench's workers do. Accuracy is on {test} test items. The difference is bench's less the other's, in
points: its mean over draws with its t interval, and with the two-way interval over draws and test
items (paired by both).
"""

MACHINE = """
{device}, {cores} cores, {date} (UTC). Threads: torch {torch}, tokenizers {tokenizers},
{pools}{runtime}.
Load average before {before}, after {after}. Python {python}; {versions}.
"""


def flowed(text: str, **values: object) -> str:
    """One line for Markdown, with its values."""
    return " ".join(text.format(**values).split())
