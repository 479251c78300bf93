"""What the HTTP API answers about uploads, besides the headers of the tus protocol."""

from pydantic import BaseModel, Field

from komadori.services.uploads import Progress


class Upload(BaseModel):
    """A file that comes in, or has come in."""

    id: str
    name: str
    size_bytes: int
    offset: int = Field(description="How many bytes have come")
    sha256: str | None = Field(description="Of the whole file, once it is here")
    expires_s: float

    @staticmethod
    def of(progress: Progress) -> "Upload":
        """An upload as it is shown."""
        upload = progress.upload
        return Upload(
            id=upload.id,
            name=upload.name,
            size_bytes=upload.size_bytes,
            offset=progress.offset,
            sha256=upload.sha256,
            expires_s=upload.expires_s,
        )
