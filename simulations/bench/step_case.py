"""What a private training step is measured on: an item table in, an item table out.

Customers of 100 items each, popular items more often; the model is the mean of a customer's item vectors,
scored against every item. `tables=1` uses one table on both sides, `tables=2` one for each side.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["CLIPPING_NORM", "LEARNING_RATE", "NOISE_MULTIPLIER", "Case", "ItemsInItemsOut"]

CLIPPING_NORM = 0.01
NOISE_MULTIPLIER = 1.0
LEARNING_RATE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Size of one measurement.

    Attributes:
        items: rows of a table.
        tables: 1 or 2, see above.
        width: columns of a table.
        customers: in the batch.
        taken: items of a customer.
    """

    items: int
    tables: int
    width: int = 64
    customers: int = 256
    taken: int = 100

    def batch(self) -> Tensor:
        """Draw each customer's items, shape (customers, taken); the same for every method."""
        popularity = 1 / torch.arange(10.0, self.items + 10)
        generator = torch.Generator().manual_seed(self.items)
        drawn = torch.multinomial(
            popularity, self.customers * self.taken, replacement=True, generator=generator
        )
        return drawn.reshape(self.customers, self.taken)

    def model(self, *, bag: bool = True) -> ItemsInItemsOut:
        """Build the model, with the same weights for every method; Opacus cannot take bags."""
        torch.manual_seed(self.items)
        return ItemsInItemsOut(self, bag=bag).train()


class ItemsInItemsOut(nn.Module):
    """Scores of all items from the mean of a customer's item vectors."""

    def __init__(self, case: Case, *, bag: bool) -> None:
        super().__init__()
        self._bag = bag
        self.table: nn.EmbeddingBag | nn.Embedding
        self.table = (
            nn.EmbeddingBag(case.items, case.width, mode="mean")
            if bag
            else nn.Embedding(case.items, case.width)
        )
        nn.init.normal_(self.table.weight, std=0.1)
        self.out = nn.Linear(case.width, case.items, bias=False)
        if case.tables == 1:
            self.out.weight = self.table.weight

    def forward(self, taken: Tensor) -> Tensor:
        """Return scores, shape (customers, items), of histories of shape (customers, taken)."""
        found = self.table(taken)
        scores: Tensor = self.out(found if self._bag else found.mean(dim=1))
        return scores
