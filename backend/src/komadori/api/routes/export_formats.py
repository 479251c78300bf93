"""The formats that a dataset may have."""

from fastapi import APIRouter

from komadori.api import answers
from komadori.services import dataset_preview

router = APIRouter(prefix="/export-formats", tags=["exports"])


@router.get("")
def list_export_formats() -> list[answers.ExportFormat]:
    """Every format by name, those of other packages too."""
    return [answers.ExportFormat.of(name, about) for name, about in dataset_preview.formats()]
