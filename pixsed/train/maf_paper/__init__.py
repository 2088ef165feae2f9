"""The network of Iglesias-Navarro+25, through sbi: the yardstick for pixsed's own."""

from pixsed.train.maf_paper.fit import train
from pixsed.train.maf_paper.inputs import network_input
from pixsed.train.maf_paper.sampler import PaperModel, PaperSampler, load_sampler

__all__ = ["PaperModel", "PaperSampler", "load_sampler", "network_input", "train"]
