"""The checkpoints that are known or on this machine, and how more get there."""

from fastapi import APIRouter, Response

from komadori import bootstrap
from komadori.api import answers, system_answers
from komadori.api.deps import Configuration, Ctx
from komadori.api.routes.jobs import accepted
from komadori.api.schemas import PullModel
from komadori.services import models

router = APIRouter(prefix="/models", tags=["system"])


@router.get("")
def list_models(ctx: Ctx, settings: Configuration) -> list[system_answers.Model]:
    """The models with a registered name, and what else is in the model folder of this machine."""
    pulls = models.open_pulls(ctx)
    return [
        system_answers.Model.of(status, pulls.get(status.model_id))
        for status in bootstrap.model_store(settings).list()
    ]


@router.post("/pulls", status_code=202)
def pull_model(ctx: Ctx, body: PullModel, response: Response) -> answers.Job:
    """Fetch a model; asked for again meanwhile, it is the same job. Its items are MiB."""
    return accepted(models.request_pull(ctx, body.source, update=body.update), response)
