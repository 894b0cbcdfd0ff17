"""One round of Flower's SecAgg+, as installed, in one process without network, timed and weighed.

The server's stages (`SecAggPlusWorkflow`) and the clients' (`secaggplus_mod`) are Flower's own code, called
in their order. Between them every message is encoded and decoded by Flower's own serialisation, so that its
size is known and nobody shares memory.

Where there is a choice it falls in Flower's favour: only time within its protocol's code counts, not that of
its serialisation, processes or network; the strategy hands the sum on as it is (FedAvg would average n
copies of it); the model that stage 2 sends down is left empty; the clients' training result is there already.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.client.mod import secaggplus_mod
from flwr.common import (
    Code,
    FitIns,
    FitRes,
    Parameters,
    Status,
    ndarrays_to_parameters,
    parameters_to_ndarrays,
)
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.compat.common import recorddict_compat
from flwr.proto.message_pb2 import Message as MessageProto
from flwr.server.compat.legacy_context import LegacyContext
from flwr.server.workflow import SecAggPlusWorkflow
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD
from flwr.server.workflow.constant import Key as WorkflowKey
from flwr.server.workflow.secure_aggregation.secaggplus_workflow import WorkflowState
from flwr.serverapp import Grid
from numpy.typing import NDArray

from highstreet.simulations.bench.sum_case import REACH, STEPS, Role, SumCase, Tally
from highstreet.simulations.errors import SimulationsError

__all__ = ["hold_secaggplus_round"]

#: Every client has as many examples as the most there may be, which is the default's 1,000: weight 1.
_EXAMPLES = 1000


def hold_secaggplus_round(
    case: SumCase, tally: Tally, *, num_shares: int | float, reconstruction_threshold: int
) -> NDArray[np.float64]:
    """Hold a round in which every client takes part in all four stages.

    Args:
        case: what to sum.
        tally: of costs.
        num_shares: neighbours that hold a client's secrets, itself among them; 1.0 for all clients.
        reconstruction_threshold: shares that open a secret.

    Returns:
        The mean of the vectors, float64, shape (d,).

    Raises:
        SimulationsError: Flower's protocol stopped, or gave nothing.
    """
    logging.getLogger("flwr").setLevel(logging.ERROR)
    workflow = SecAggPlusWorkflow(
        num_shares=num_shares,
        reconstruction_threshold=reconstruction_threshold,
        max_weight=float(_EXAMPLES),
        clipping_range=REACH,
        quantization_range=STEPS,
    )
    context, grid, state = _server(case), _OneProcessGrid(case, tally), WorkflowState()
    network = cast("Grid", grid)  # all that the stages call of it is `send_and_receive`
    stages = (
        (workflow.setup_stage, Role.COORDINATOR),
        (workflow.share_keys_stage, Role.COORDINATOR),
        (workflow.collect_masked_vectors_stage, Role.COORDINATOR),
        (workflow.unmask_stage, Role.OPENING),
    )
    for stage, role in stages:
        waited_processor, waited_clock = grid.processor, grid.clock
        with tally.at_work(role):
            went_on = stage(network, context, state)
        tally.add(role, 0, waited_processor - grid.processor, waited_clock - grid.clock)
        if not went_on:
            raise SimulationsError(f"SecAgg+ stopped in {stage.__name__}.")
    found = recorddict_compat.arrayrecord_to_parameters(
        context.state.array_records[MAIN_PARAMS_RECORD], keep_input=True
    )
    return np.asarray(parameters_to_ndarrays(found)[0], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Proxy:
    """Names a client to the workflow."""

    node_id: int


@dataclass(frozen=True, slots=True)
class _Strategy:
    """Asks every client, sends no model, and takes the sum as it comes."""

    clients: int

    def configure_fit(
        self, _round: int, parameters: Parameters, _manager: object
    ) -> list[tuple[_Proxy, FitIns]]:
        return [(_Proxy(number + 1), FitIns(parameters, {})) for number in range(self.clients)]

    def aggregate_fit(
        self, _round: int, results: Sequence[tuple[_Proxy, FitRes]], _failures: object
    ) -> tuple[Parameters, dict[str, float]]:
        return results[0][1].parameters, {}


@dataclass(slots=True)
class _OneProcessGrid:
    """Plays the network and every client.

    Attributes:
        processor, clock: seconds spent in here so far, which are not the server's.
    """

    case: SumCase
    tally: Tally
    processor: float = 0.0
    clock: float = 0.0
    _contexts: dict[int, Context] = field(default_factory=dict)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Let every client answer its message; see Flower's Grid."""
        clock, processor = time.perf_counter(), time.process_time()
        replies = [self._answer(message) for message in messages]
        self.processor += time.process_time() - processor
        self.clock += time.perf_counter() - clock
        return replies

    def _answer(self, message: Message) -> Message:
        client = message.metadata.dst_node_id
        request = message_to_proto(message).SerializeToString()
        self.tally.received(Role.CONTRIBUTOR, client, len(request))
        received = message_from_proto(MessageProto.FromString(request))
        context = self._contexts.setdefault(client, _context(client))
        trained = _Trained(self.case.vector(client - 1))
        with self.tally.at_work(Role.CONTRIBUTOR, client):
            answered = secaggplus_mod(received, context, trained)
        self.tally.add(Role.CONTRIBUTOR, client, -trained.processor, -trained.clock)
        reply = message_to_proto(answered).SerializeToString()
        self.tally.sent(Role.CONTRIBUTOR, client, len(reply))
        return message_from_proto(MessageProto.FromString(reply))


@dataclass(slots=True)
class _Trained:
    """The client's app: it has its vector already.

    Attributes:
        processor, clock: seconds spent in here, which are not the protocol's.
    """

    vector: NDArray[np.float32]
    processor: float = 0.0
    clock: float = 0.0

    def __call__(self, message: Message, _context: Context) -> Message:
        clock, processor = time.perf_counter(), time.process_time()
        result = FitRes(Status(Code.OK, ""), ndarrays_to_parameters([self.vector]), _EXAMPLES, {})
        content = recorddict_compat.fitres_to_recorddict(result, keep_input=False)
        reply = Message(content, reply_to=message)
        self.processor += time.process_time() - processor
        self.clock += time.perf_counter() - clock
        return reply


def _server(case: SumCase) -> LegacyContext:
    state = RecordDict()
    state.config_records[MAIN_CONFIGS_RECORD] = ConfigRecord({WorkflowKey.CURRENT_ROUND: 1})
    nothing = Parameters([], "numpy.ndarray")
    state.array_records[MAIN_PARAMS_RECORD] = recorddict_compat.parameters_to_arrayrecord(nothing, True)
    context = Context(run_id=1, node_id=0, node_config={}, state=state, run_config={})
    return LegacyContext(context, strategy=_Strategy(case.stores))  # type: ignore[arg-type]  # what it calls


def _context(client: int) -> Context:
    return Context(run_id=1, node_id=client, node_config={}, state=RecordDict(), run_config={})
