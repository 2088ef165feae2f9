"""Star-formation histories: mass formed in bins of age, and quantities derived from it."""

from pixsed.sps.sfh.base import LOG_SSFR_FLOOR, SFR_TIME, History
from pixsed.sps.sfh.binned import Binned
from pixsed.sps.sfh.gp import GPHistory
from pixsed.sps.sfh.powerlaw import DoublePowerLaw, PowerLaw
from pixsed.sps.sfh.tau import TauDelayed, delayed_formed

__all__ = [
    "LOG_SSFR_FLOOR",
    "SFR_TIME",
    "Binned",
    "DoublePowerLaw",
    "GPHistory",
    "History",
    "PowerLaw",
    "TauDelayed",
    "delayed_formed",
]
