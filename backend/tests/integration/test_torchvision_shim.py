"""torchvision beside CPU-only torch: broken without the shim, usable with it."""

import subprocess
import sys

import pytest
import torch

from komadori.ml.torchvision_shim import _is_native_library_broken

needs_shim = pytest.mark.skipif(
    torch.version.cuda is not None or not _is_native_library_broken(),
    reason="torchvision's native library loads here",
)


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@needs_shim
def test_without_the_shim_the_import_fails() -> None:
    done = run_python("import torchvision")

    assert done.returncode == 1
    assert "operator torchvision::nms does not exist" in done.stderr


@needs_shim
def test_with_the_shim_what_models_need_works_without_compiling() -> None:
    done = run_python(
        "import torch\n"
        "from komadori.ml import torchvision_shim\n"
        "print(torchvision_shim.install(), torchvision_shim.install())\n"
        "from torchvision.ops import roi_align\n"
        "from torchvision.transforms.v2 import functional\n"
        "print(functional.resize(torch.zeros(3, 8, 8), [4, 4], antialias=True).shape[-1])\n"
        "ramp = torch.arange(16.0).expand(1, 2, 16, 16)\n"
        "pooled = roi_align(ramp, torch.tensor([[0.0, 2.0, 2.0, 10.0, 10.0]]), 2)\n"
        "print(pooled[0, 0, 0].tolist())\n"
        "import sys; print('torch._inductor.compile_fx' in sys.modules)\n"
    )

    assert done.stderr == ""
    assert done.stdout.splitlines() == ["True True", "4", "[4.0, 8.0]", "False"]


def test_it_does_nothing_where_torch_has_cuda() -> None:
    done = run_python(
        "import sys, torch\n"
        "torch.version.cuda = '13.0'\n"
        "from komadori.ml import torchvision_shim\n"
        "print(torchvision_shim.install(), 'torchvision' in sys.modules)\n"
    )

    assert done.stdout.split() == ["False", "False"]


def test_it_does_nothing_without_torchvision() -> None:
    done = run_python(
        "import sys\n"
        "sys.modules['torchvision'] = None\n"
        "import importlib.util\n"
        "importlib.util.find_spec = lambda name: None\n"
        "from komadori.ml import torchvision_shim\n"
        "print(torchvision_shim.install())\n"
    )

    assert done.stdout.strip() == "False"
