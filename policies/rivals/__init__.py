"""Published policies to compare with, one file each, and what an equal number of tuning trials may move."""

from policies.rivals import ado, aioli, doge, doremi, mixing_law, odm, regmix, skill_it, temperature, unimax
from policies.rivals.ado import Ado
from policies.rivals.aioli import Aioli
from policies.rivals.doge import Doge
from policies.rivals.doremi import DoReMi
from policies.rivals.mixing_law import MixingLaw
from policies.rivals.odm import Odm
from policies.rivals.regmix import RegMix
from policies.rivals.skill_it import SkillIt
from policies.rivals.stateful import Rival, Tune
from policies.rivals.temperature import Temperature
from policies.rivals.unimax import UniMax

RIVALS: tuple[type[Rival], ...] = (
    Temperature, UniMax, Odm, Ado, DoReMi, SkillIt, Aioli, Doge, RegMix, MixingLaw,
)  # fmt: skip

TUNE: dict[str, Tune] = {
    Ado.name: ado.TUNE,
    Aioli.name: aioli.TUNE,
    Doge.name: doge.TUNE,
    DoReMi.name: doremi.TUNE,
    MixingLaw.name: mixing_law.TUNE,
    Odm.name: odm.TUNE,
    RegMix.name: regmix.TUNE,
    SkillIt.name: skill_it.TUNE,
    Temperature.name: temperature.TUNE,
    UniMax.name: unimax.TUNE,
}

__all__ = [
    "RIVALS", "TUNE", "Ado", "Aioli", "DoReMi", "Doge", "MixingLaw", "Odm", "RegMix", "Rival", "SkillIt", "Temperature",
    "Tune", "UniMax",
]  # fmt: skip
