"""Where outputs are stored: in a folder on disk (`local`), or at a URL (`remote`, by fsspec); `lock` admits one run."""

from irisstn.storage.lock import locked

__all__ = ["locked"]
