"""The checkpoints that are known or on this machine."""

from fastapi import APIRouter

from komadori import bootstrap
from komadori.api import system_answers as answers
from komadori.api.deps import Configuration

router = APIRouter(prefix="/models", tags=["system"])


@router.get("")
def list_models(settings: Configuration) -> list[answers.Model]:
    """The models with a registered name, and what else is in the model folder of this machine."""
    return [answers.Model.of(status) for status in bootstrap.model_store(settings).list()]
