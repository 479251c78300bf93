"""How much memory a model takes where it runs: of the card, or of this process."""

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_WORDS_OF_TORCH = (
    "can't allocate memory",  # its allocator of the processor
    "could not create a primitive",  # oneDNN's, which names no reason
    "could not create a memory",
    "out of memory",  # CUDA itself, past torch's books
    "CUBLAS_STATUS_ALLOC_FAILED",
    "std::bad_alloc",  # and OpenVINO's
)
"""In the message of a RuntimeError, which is all that torch raises in these cases."""


@dataclass(frozen=True, slots=True)
class Peak:
    """The most memory that was held since it was last forgotten, in bytes.

    ``taken`` is what others could not have; on a card ``used`` is without what torch keeps for
    later, elsewhere the two are the same.
    """

    used: int
    taken: int


class DeviceMemory(Protocol):
    """The memory of the device on which a model runs."""

    @property
    def name(self) -> str:
        """What the device calls itself, for people."""

    def forget_peak(self) -> None:
        """Begin a new peak, and give back what is only kept for later."""

    def peak(self) -> Peak:
        """The peak since then."""

    def available(self) -> int | None:
        """Bytes of the card that this process has or could have now; None without a card."""


class HostMemory:
    """Of this process: its resident size, with the libraries; only Linux can forget a peak."""

    name = "processor"

    def forget_peak(self) -> None:
        """See :class:`DeviceMemory`; see proc(5), clear_refs."""
        try:
            Path("/proc/self/clear_refs").write_text("5", "ascii")
        except OSError:
            return

    def peak(self) -> Peak:
        """See :class:`DeviceMemory`."""
        try:
            lines = Path("/proc/self/status").read_text("utf-8").splitlines()
            peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
        except (OSError, StopIteration):
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return Peak(peak, peak)

    def available(self) -> int | None:
        """See :class:`DeviceMemory`."""
        return None


class CudaMemory:
    """Of a card, by torch's own books."""

    def __init__(self, device: str) -> None:
        import torch

        self._cuda = torch.cuda
        self._device = torch.device(device)
        self.name = torch.cuda.get_device_name(self._device)

    def forget_peak(self) -> None:
        """See :class:`DeviceMemory`."""
        with self._cuda.device(self._device):
            self._cuda.empty_cache()
        self._cuda.reset_peak_memory_stats(self._device)

    def peak(self) -> Peak:
        """See :class:`DeviceMemory`."""
        used = self._cuda.max_memory_allocated(self._device)
        return Peak(int(used), int(self._cuda.max_memory_reserved(self._device)))

    def available(self) -> int | None:
        """See :class:`DeviceMemory`."""
        free, _total = self._cuda.mem_get_info(self._device)
        return int(free) + int(self._cuda.memory_reserved(self._device))


def memory_of(device_name: str) -> DeviceMemory:
    """The memory of a model by the first word of its ``device_name``: "cuda:0, bfloat16, torch"."""
    device = device_name.partition(",")[0].strip()
    return CudaMemory(device) if device.startswith("cuda") else HostMemory()


def free_of_host() -> int | None:
    """Bytes that this machine could give to processes now; None where it does not say (Linux only)."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) * 1024
    except (OSError, StopIteration):
        return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device has no memory left; torch's class is not there without torch."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS_OF_TORCH):
        return True
    cause = error.__cause__
    return cause is not None and is_out_of_memory(cause)
