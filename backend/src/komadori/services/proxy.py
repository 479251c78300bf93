"""Makes a copy of a video that browsers play, frame for frame the same; see :mod:`komadori.media.proxy`."""

KIND = "proxy"


def key(sha256: str) -> str:
    """Where the proxy of a video is kept."""
    return f"proxies/{sha256[:2]}/{sha256}.mp4"
