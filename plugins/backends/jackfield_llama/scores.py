"""Log probabilities: how likely tokens were by the logits as the model computed them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from jackfield.ports.backend import TokenScores
from jackfield_llama.candidates import Candidates, largest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LOGPROB_MIN: Final = -9999.0
"""What stands for a token that cannot be drawn, as in OpenAI's API: JSON has no minus infinity."""


def token_scores(logits: npt.NDArray[np.float32], token: int, top: int, buffer: npt.NDArray[np.float32]) -> TokenScores:
    """Log probabilities of *token* and of the *top* most likely tokens.

    Parameters:
        logits: One row, as the model computed it.
        token: A token id of the vocabulary.
        top: How many alternatives, 0 for none.
        buffer: Scratch of the vocabulary's size.

    Raises:
        BackendFault: The row has no usable numbers.
    """
    candidates = Candidates.of(logits)
    # float32 weights are exact to 1e-7 each, and numpy adds 152 k of them pairwise: together 1e-6 at most
    total = float(candidates.highest) + math.log(float(candidates.weights(buffer).sum()))

    def logprob(index: int) -> float:
        return max(float(logits[index]) - total, LOGPROB_MIN)

    most_likely = largest(logits, top).tolist() if top else ()
    return TokenScores(logprob(token), [(index, logprob(index)) for index in most_likely])
