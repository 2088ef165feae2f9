"""Network of Iglesias-Navarro et al. (2025), built with sbi, for comparison."""

from pixsed.train.maf_paper.fit import train
from pixsed.train.maf_paper.inputs import network_input
from pixsed.train.maf_paper.options import PaperOptions
from pixsed.train.maf_paper.sampler import PaperModel, PaperSampler, load_sampler

__all__ = [
    "PaperModel",
    "PaperOptions",
    "PaperSampler",
    "load_sampler",
    "network_input",
    "train",
]
