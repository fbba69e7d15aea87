"""The most frequent words of languages that share a script with others."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS: Final = {
    "de": (
        "aber auch auf aus bei bitte das dass dem den der die ein eine einem einen einer es für haben hat ich "
        "im ist kann kein mich mir mit nach nicht noch nur oder sich sie sind und von war wenn werden wie wir "
        "wird zu"
    ),
    "en": (
        "an and are as at be but by can do does for from have her his how if in is it me my not of on or "
        "please that the there they this to was we what which will with would you your"
    ),
    "es": (
        "al como con cuando de del desde donde el en entre es esta este está favor hasta hay la las le lo los "
        "me muy más no nos para pero por porque puede que quien se sin sobre son sus sí también todo un una y "
        "ya"
    ),
    "fr": (
        "au aux avec bien ce ces cette comme dans des du elle est et fait il je la le les leur mais mon même "
        "ne nous ont ou par pas peut plus pour que quel qui se si sont sur tout un une votre vous été être"
    ),
    "it": (
        "alla anche che come con cosa da dal dei del della delle di dove e essere favore gli ha ho il la le "
        "lo ma mi molto nel nella non per perché più può quando questa questo si sono tutti tutto un una è"
    ),
    "nl": (
        "aan als bij dan dat de deze dit door een en er geen hebben heeft het hij ik in is je kan maar met "
        "mijn naar niet nog of om ook op over te uit van voor wat we wel wordt ze zij zijn"
    ),
    "pl": (
        "ale bardzo być co czy dla do gdzie go i jak jego jest już kiedy która które który mnie może na nie o "
        "od po proszę przez się są ta tak ten to tylko tym w z za ze że"
    ),
    "pt": (
        "ao as até com como da das de do dos e ela ele em está favor foi isso já mais mas muito na no nos não "
        "o os ou para pela pelo por quando que ser seu sua são só também tem um uma você"
    ),
    "sv": (
        "att av de den det detta dig då efter eller en ett från för han har hon inte jag kan med men mig min "
        "mot mycket nu när och också om på sig ska som så till vad var vi är"
    ),
    "tr": (
        "ama bana ben beni bir biz bu da daha de değil en gibi her ile için kadar lütfen mi mı nasıl ne neden "
        "o olan olarak sen sonra var ve ya yok çok şey"
    ),
    "ru": (
        "бы было в все вы где для его если есть же за и из или к как когда мне мы на не но он она они от "
        "очень по пожалуйста с так то только у уже что чтобы это этот я"
    ),
    "uk": (
        "або але би будь було в вже ви вона вони все від він де для до дуже з за й його коли ласка мені ми на "
        "не по та так то тільки у це цей що щоб я як якщо є і із"
    ),
}

FREQUENT: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {language: frozenset(words.split()) for language, words in _WORDS.items()}
)
"""By language."""
