"""What a replica needs of a cluster, as the configuration says it, and what is refused before Ray is started."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from tt_scale.backends import ResolvedModels, resolve
from tt_scale.config import Config
from tt_scale.errors import ConfigError, MissingExtraError

__all__ = ["Requirements", "check_distribution", "replica_config", "requirements"]


@dataclass(frozen=True, slots=True)
class Requirements:
    """Resources of one replica.

    Attributes:
        generator_gpus: GPUs of the generator, or a fraction of one; at least 0.
        prm_gpus: GPUs that the PRM has beside, or a further fraction of the same; 0 where it shares the generator's.
        cpus: cores; None for a share of the cluster's.
    """

    generator_gpus: float
    prm_gpus: float
    cpus: float | None

    @property
    def gpus(self) -> float:
        """GPUs of the replica: whole ones, or a fraction of one."""
        return round(self.generator_gpus + self.prm_gpus, 4)


def check_distribution(config: Config) -> None:
    """Refuse what no cluster could run; nothing where searches take place in this process.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: GPUs cannot be divided as they are asked for, or the address is one that a driver cannot use.
    """
    if config.distribute == "none":
        return
    if find_spec("ray") is None:
        raise MissingExtraError("ray", "ray", "--distribute ray")
    address = config.ray_address or ""
    if address.startswith("ray://"):
        raise ConfigError(
            f"ray_address is {address!r}, a server of Ray Client; the driver has to be on a node of the cluster.",
            "Run the command on a node, and type: --ray-address auto",
        )
    models = resolve(config)
    _check_gpus(models, requirements(models, has_gpus=True))


def _check_gpus(models: ResolvedModels, needs: Requirements) -> None:
    config, tensor = models.config, models.config.tensor_parallel_size
    told = f"generator_gpus is {needs.generator_gpus:g} and prm_gpus {needs.prm_gpus:g}"
    whole = all(each == int(each) for each in (needs.generator_gpus, needs.prm_gpus))
    if needs.gpus > 1 and not whole:
        raise ConfigError(
            f"{told}: fractions are of one GPU, which both share, so that their sum is at most 1.",
            "Type whole numbers, or fractions such as --generator-gpus 0.5 --prm-gpus 0.5",
        )
    if config.generator_gpus and models.generator.weights and max(1.0, needs.generator_gpus) < tensor:
        raise ConfigError(
            f"{told}, but tensor_parallel_size is {tensor}: the generator needs as many GPUs.",
            f"Type: --generator-gpus {tensor}",
        )
    if 0 < needs.gpus < 1:
        _check_memory_shares(models, needs)


def _check_memory_shares(models: ResolvedModels, needs: Requirements) -> None:
    """Replicas that share a GPU must not together reserve more than its memory."""
    config = models.config
    shares = {
        "gpu_mem_util": config.gpu_mem_util if _on_vllm(models.generator.weights) else 0.0,
        "prm_gpu_mem_util": sum([config.prm_gpu_mem_util for prm in models.prms if _on_vllm(prm.weights)]),
    }
    if sum(shares.values()) > needs.gpus:
        told = " and ".join([f"{name} is {share:g}" for name, share in shares.items() if share])
        raise ConfigError(
            f"A replica has {needs.gpus:g} of a GPU, but {told}: the models would reserve more memory than that share.",
            f"Lower them to at most {needs.gpus:g} in all: --gpu-mem-util, --prm-gpu-mem-util",
        )


def _on_vllm(weights: tuple[object, ...]) -> bool:
    return any(getattr(each, "engine", "") in ("vllm", "auto") for each in weights)


def requirements(models: ResolvedModels, *, has_gpus: bool) -> Requirements:
    """Say what a replica needs.

    Args:
        models: of the run.
        has_gpus: whether the cluster has any; without, models run on cores unless GPUs are asked for.
    """
    config = models.config
    default = config.tensor_parallel_size if has_gpus else 0
    generator = config.generator_gpus
    if generator is None:
        generator = default if models.generator.weights else 0
    prm = config.prm_gpus
    if prm is None:
        prm = default if not generator and any(each.weights for each in models.prms) else 0
    return Requirements(float(generator), float(prm), config.replica_cpus)


def replica_config(config: Config, needs: Requirements) -> Config:
    """The configuration of a replica: it searches in its own process, with the PRM on GPUs of its own if it has any."""
    own = needs.prm_gpus >= 1 and needs.generator_gpus >= 1 and config.prm_device is None
    device = {"prm_device": f"cuda:{int(needs.generator_gpus)}"} if own else {}
    return config.model_copy(update={"distribute": "none", **device})
