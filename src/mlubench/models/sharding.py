"""A base too large for one card: the layers of its language model are sharded over the processes by FSDP2.

Adapters are mounted afterwards, whole in every process: they are small, and so their files and their training are the
same as without. The vision tower, the projector, the embeddings and the head stay whole too: a pass of the vision part
(a gate's features, pictures that are kept) then needs no other process. Settings come from `accelerate config`, through
the environment in which `accelerate launch` starts the processes.
"""

import os
from typing import TYPE_CHECKING

import torch
from accelerate.utils import FullyShardedDataParallelPlugin, str_to_bool
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from mlubench.core import processes
from mlubench.core.errors import UsageError
from mlubench.models.families import Parts

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import PreTrainedModel

# The variables by which `accelerate launch` tells its processes what its configuration says.
USE_FSDP = "ACCELERATE_USE_FSDP"
FSDP_VERSION = "FSDP_VERSION"


def wanted() -> bool:
    """Whether accelerate's configuration asks for FSDP. UsageError for version 1, which flattens parameters away."""
    use_fsdp = str_to_bool(os.environ.get(USE_FSDP, "false"))
    if processes.world() == 1 or not use_fsdp:
        return False
    if os.environ.get(FSDP_VERSION) != "2":
        raise UsageError(
            "FSDP version 1 is not supported", "Set fsdp_version: 2 in accelerate's configuration."
        )
    return True


def shard(model: "PreTrainedModel", parts: Parts, device: torch.device) -> "PreTrainedModel":
    """Shard the frozen model, layer by layer, so that no card ever holds it whole; the rest moves to `device`."""
    plugin = FullyShardedDataParallelPlugin()  # reads accelerate's settings from the environment
    mesh = init_device_mesh(device.type, (processes.world(),))
    reshard_after_forward = bool(plugin.reshard_after_forward)
    language = model.get_submodule(parts.language[0])
    for layer in language.layers:
        fully_shard(
            layer,
            mesh=mesh,
            reshard_after_forward=reshard_after_forward,
            offload_policy=plugin.cpu_offload,
        )
    # Embeddings, norms and the like stay whole in every process.
    not_sharded = {p for p in language.parameters() if not isinstance(p, DTensor)}
    # The whole comes after its layers, as FSDP2 wants it: it takes the parameters that are left, here none.
    fully_shard(
        language,
        mesh=mesh,
        reshard_after_forward=reshard_after_forward,
        offload_policy=plugin.cpu_offload,
        ignored_params=not_sharded,
    )
    # Done here. Accelerate would else wrap the model once more, adapters and all, for each training.
    os.environ[USE_FSDP] = "false"
    return model.to(device)


def leave_to_fsdp(model: "Module") -> None:
    """Tell DistributedDataParallel, which sums the adapters' gradients, to leave sharded parameters alone."""
    names = [name for name, p in model.named_parameters() if isinstance(p, DTensor)]
    # torch has no public way to say this.
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, names)
