"""Data sets: built in, downloaded, or from a folder; features computed once and cached.

from grader.data import load
train = load("speech-synthetic", "train")
hidden = load("speech-synthetic", "hidden", seed="...")
digits = load("fsdd", "hidden", source=Path("fsdd"))
pairs = load_pairs("chat-synthetic", "train")
posts = load_posts("posts-synthetic", "train")
"""

from __future__ import annotations

from grader.data.library import DatasetInfo, catalogue, get, load, load_pairs, load_posts
from grader.data.seeds import hidden_seed
from grader.data.speech.clips import PARTS, ClipSet, Part, Progress
from grader.data.speech.fsdd import FsddSettings
from grader.data.speech.settings import Size, SyntheticSettings
from grader.data.text.chat import Pair, PairSet, Position
from grader.data.text.posts import PostSet
from grader.data.text.posts_synthetic import PostSettings

__all__ = [
    "PARTS",
    "ClipSet",
    "DatasetInfo",
    "FsddSettings",
    "Pair",
    "PairSet",
    "Part",
    "Position",
    "PostSet",
    "PostSettings",
    "Progress",
    "Size",
    "SyntheticSettings",
    "catalogue",
    "get",
    "hidden_seed",
    "load",
    "load_pairs",
    "load_posts",
]
