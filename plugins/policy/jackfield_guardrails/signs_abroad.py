"""Signs of prompt injection in German, French, Spanish, Italian, Portuguese, Chinese, Japanese and Russian.

Written as people write; ``reading.plain`` makes of them what it makes of texts.
"""

# ruff: noqa: E501 - an expression is read as a whole, in its own letters

from __future__ import annotations

from typing import Final

from jackfield_guardrails.signs import Sign

_GAP: Final = r"[^.;,!?:]"
_STOP: Final = r"[^。！？!?\n]"

GERMAN: Final = (
    Sign("override", 0.55, rf"\b(?:ignorier\w*|vergiss|vergesst|vergessen|missacht\w*|übergeh\w*|verwirf|verwerfen|umgeh\w*|brich|befolg\w* (?:nicht|keine)|streich\w*)\b{_GAP}{{0,24}}\b(?:vorherig\w*|bisherig\w*|früher\w*|obig\w*|vorig\w*|vorangegangen\w*|vorangehend\w*|alle\w*|deine?\w*|ihre|sämtliche\w*|system\w*|ursprünglich\w*|diese|jegliche)\b{_GAP}{{0,24}}(?:anweisung|regel|vorgabe|instruktion|befehl|richtlinie|prompt|einschränkung|beschränkung|sicherheits|filter)"),
    Sign("override", 0.55, r"\b(?:vergiss|ignorier\w*|vergesst) (?:alles|was),? ?(?:was)?[^.;!?\n]{0,16}\b(?:dir|du|man|bisher|vorher|davor|oben|zuvor)\b"),
    Sign("override", 0.4, r"\b(?:nur noch|ausschließlich|allein)\b.{0,12}\b(?:meine[nr]?|mir)\b.{0,12}\b(?:befehle?n?|anweisungen|folg\w*|gehorch\w*)\b|\bgehorch\w* (?:nur )?mir\b"),
    Sign("extraction", 0.55, r"\b(?:zeig\w*|gib|nenn\w*|verrat\w*|wiederhol\w*|druck\w*|schreib\w*|offenbar\w*|übersetz\w*|sag\w*|lies|zitier\w*|wie lautet|was steht in|fass\w*)\b.{0,30}(?:system ?-?prompt|systemnachricht|systemanweisung|(?:geheim|intern|ursprünglich|versteckt|anfänglich)\w* (?:anweisung|prompt|instruktion|vorgabe)|deinen prompt|deine (?:anweisungen|vorgaben|instruktionen))"),
    Sign("jailbreak", 0.55, r"\b(?:du bist|sie sind|spiel\w*|tu so|stell dir vor|verhalte dich|agier\w*|antwort\w*|handle|simulier\w*)\b.{0,60}\b(?:ohne|keine\w*|frei von)\b.{0,20}(?:einschränkung|beschränkung|regeln|filter|zensur|moral|ethi|richtlinien|tabus)"),
    Sign("refusal", 0.45, r"\bdu (?:darfst|kannst|wirst) (?:dich )?(?:nicht|nie|niemals|nichts|keine\w*)\b.{0,16}\b(?:weigern|ablehnen|verweigern|widersprechen)\b"),
)  # fmt: skip

ROMANCE: Final = (
    Sign("override", 0.55, rf"\b(?:ignore[rz]?|oublie[rz]?|ne tiens pas compte d\w*|ne (?:suis|respecte) (?:pas|plus)|fais abstraction d\w*|contourne[rz]?|outrepasse[rz]?|annule[rz]?)\b{_GAP}{{0,30}}\b(?:instructions?|consignes?|règles?|directives?|restrictions?|ordres?|prompt|garde-fous)\b"),
    Sign("override", 0.5, r"\b(?:oublie|ignore)[rz]? tout ce qu[^.;!?\n]{0,30}\b(?:dit|avant|précède|appris|donné|au-dessus)"),
    Sign("extraction", 0.55, r"\b(?:montre|affiche|révèle|donne|répète|écris|traduis|dis|dévoile|imprime|cite|recopie|quel(?:le)?s? (?:est|sont))\w*\b.{0,30}(?:\b(?:prompt|invite|message|instructions|consignes)\b.{0,4}\b(?:système|secrète?s?|cachée?s?|initiale?s?|d'origine|internes?)|\b(?:ton|votre) prompt)"),
    Sign("jailbreak", 0.55, r"\b(?:tu es|vous êtes|agis|imagine|fais comme|réponds|joue|comporte-toi|simule)\b.{0,60}\bsans (?:aucune? |la moindre )?(?:restriction|filtre|limite|règle|morale|censure|éthique|contrainte)"),
    Sign("override", 0.55, rf"\b(?:ignor[ae]\w*|olvid[ae]\w*|no (?:sigas|obedezcas|respetes)|descart[ae]\w*|omit[ae]\w*|salta|desobedece|anula)\b{_GAP}{{0,30}}\b(?:instrucciones|reglas|órdenes|directrices|indicaciones|restricciones|normas)\b{_GAP}{{0,16}}\b(?:anteriores|previas|anterior|iniciales|sistema|dadas|de seguridad|y)\b"),
    Sign("override", 0.55, r"\b(?:ignora|olvida|no sigas|descarta|omite) (?:todas? |todas? las |las |tus )?(?:propias )?(?:instrucciones|reglas|órdenes|directrices|restricciones|normas) (?:anteriores|previas|del sistema|iniciales|de seguridad)|\b(?:ignora|olvida|descarta) (?:todas )?tus (?:instrucciones|reglas|directrices|restricciones)"),
    Sign("override", 0.5, r"\b(?:olvida|ignora) todo lo que[^.;!?\n]{0,24}\b(?:dij\w+|dich\w+|antes|sabes|anterior\w*|aprend\w+|arriba)"),
    Sign("extraction", 0.5, r"\b(?:muestra|muéstra|revela|dime|imprime|repite|escribe|enseña|da|traduce|cuál es|cuáles son)\w*\b.{0,30}\b(?:prompt|mensaje|instrucciones|indicaciones)\b.{0,6}\b(?:sistema|inicial\w*|secret\w*|ocult\w*|original\w*|intern\w*)\b"),
    Sign("jailbreak", 0.55, r"\b(?:eres|actúa|imagina|finge|responde|compórtate|simula|a partir de ahora|haz de)\b.{0,60}\bsin (?:ninguna? |ningún )?(?:tipo de )?(?:restricci|límite|filtro|regla|censura|ética|moral)"),
    Sign("refusal", 0.4, r"\bno (?:puedes|debes|podrás) (?:negarte|rechazar|rehusar)\b|\btu ne (?:peux|dois) (?:pas|jamais) refuser\b|\bnon puoi rifiutar\w*|\b(?:não|nao) (?:pode|podes) recusar\b"),
    Sign("override", 0.55, rf"\b(?:ignor[ai]|dimentica|scorda|non seguire|trascura|esque[çc][ea]|desconsider[ea]|ignore)\b{_GAP}{{0,24}}\b(?:istruzioni|regole|direttive|comandi|instruções|regras|diretrizes|ordens)\b{_GAP}{{0,16}}\b(?:precedent\w*|anterior\w*|iniziali|prévias|iniciais|sistema|e|ricevut\w*|recebid\w*)\b"),
    Sign("extraction", 0.55, r"\b(?:mostra\w*|rivela\w*|stampa|ripeti|dimmi|revel[ea]|mostre|imprima|repita|diga)\b.{0,30}\b(?:prompt|messaggio|istruzioni|mensagem|instruções)\b.{0,8}\b(?:sistema|inizial\w*|segret\w*|nascost\w*|inicia\w*|secret\w*|ocult\w*)\b"),
    Sign("jailbreak", 0.55, r"\b(?:sei|agisci|fingi|immagina|rispondi|você é|aja|finja|imagine|responda)\b.{0,60}\b(?:senza|sem) (?:alcun[ao]? |nessuna? |nenhuma? |qualquer )?(?:restrizion|limit|filtr|regol|censura|moral|restriç|regra|étic)"),
)  # fmt: skip

_ZH_SAID: Final = (
    "(?:之前|以上|前面|所有|先前|系统|系統|你的|上述|原来|原來|一切|全部|此前|上面|任何|既有|开发者|開發者|安全)"
)
_ZH_RULES: Final = (
    "(?:指令|指示|规则|規則|提示|设定|設定|限制|命令|说明|說明|约束|約束|准则|準則|内容|內容|对话|對話|话|話|政策)"
)
_JA_RULES: Final = "(?:指示|命令|ルール|規則|制約|プロンプト|設定|ガイドライン|制限|方針|ポリシー)"

EASTERN: Final = (
    Sign("override", 0.55, rf"(?:忽略|无视|無視|忘记|忘記|忘掉|不要理会|不要理會|不要遵守|不要遵循|不必遵守|不再遵守|抛弃|拋棄|取消|绕过|繞過|违反|違反|删除|放弃){_STOP}{{0,8}}{_ZH_SAID}{_STOP}{{0,10}}{_ZH_RULES}"),
    Sign("extraction", 0.55, rf"(?:告诉|告訴|显示|顯示|输出|輸出|打印|列印|透露|泄露|洩露|重复|重複|展示|翻译|翻譯|给我|給我|说出|說出|公开|公開|复述|是什么|写出|寫出){_STOP}{{0,14}}(?:系统|系統|初始|隐藏|隱藏|原始|内部|內部|秘密|最初){_STOP}{{0,3}}(?:提示|指令|消息|訊息|设定|設定|prompt|说明)"),
    Sign("jailbreak", 0.55, rf"(?:你|扮演|假装|假裝|假设|作为|作為|成为|想象|模拟){_STOP}{{0,24}}(?:没有|沒有|不受|毫无|毫無|无任何|無任何|没|不遵守|摆脱){_STOP}{{0,8}}(?:限制|约束|約束|道德|规则|規則|审查|審查|过滤|過濾|束缚|底线|伦理)"),
    Sign("refusal", 0.4, r"(?:不得|不能|不可以|不许|不准|不要|禁止|无法|永远不)(?:拒绝|拒絕)|(?:必须|必須)(?:回答|服从|服從|遵从|满足)"),
    Sign("override", 0.55, rf"(?:これまで|今まで|以前|前|上記|以上|すべて|全て|全部|あなた|システム|元|最初|先ほど){_STOP}{{0,16}}{_JA_RULES}{_STOP}{{0,10}}(?:無視|忘れ|従わ|破棄|無効|取り消|捨て|破っ)"),
    Sign("extraction", 0.55, rf"(?:システム|初期|隠|秘密|内部|最初|元){_STOP}{{0,6}}(?:プロンプト|指示|メッセージ|命令){_STOP}{{0,12}}(?:表示|教え|見せ|出力|開示|公開|翻訳|繰り返|書い|書き)"),
    Sign("jailbreak", 0.55, rf"(?:制限|制約|規制|倫理|フィルター?|ルール|検閲|モラル)(?:の|が|は|も|を|に|から){{0,2}}{_STOP}{{0,6}}(?:ない|なし|無い|無視|外し|外れ|解除|縛られ|自由){_STOP}{{0,16}}(?:ai|人工知能|アシスタント|モデル|チャットボット|キャラ)|(?:あなたは|君は|お前は|今から){_STOP}{{0,24}}(?:制限|制約|倫理|検閲|規則){_STOP}{{0,6}}(?:ない|なし|無|解除|縛られ)"),
    Sign("refusal", 0.4, r"(?:拒否|断る|拒絶)[^。\n]{0,8}(?:いけ|なら|でき|禁止|ません|許)|(?:答え|従わ)なければなり?ま?せ?ん?|必ず(?:答え|従)"),
    Sign("override", 0.55, r"(?:игнорируй|игнорировать|забудь|забыть|отбрось|отмени|пренебреги|не (?:следуй|соблюдай|подчиняйся|слушай|выполняй)|нарушь|обойди|удали)[^.;,!?\n]{0,30}(?:все|предыдущ|прежн|выше|тво|сво|систем|эти|ранее|прошл|изначальн|данн|любые)[^.;,!?\n]{0,24}(?:инструкци|правил|указани|ограничени|команд|промпт|установк|запрет|директив)"),
    Sign("override", 0.5, r"(?:забудь|игнорируй)[а-я]* (?:все|всё),? (?:что|о чем|о чём)[^.;!?\n]{0,30}(?:раньше|до этого|выше|говорил|сказал|знаешь|инструкц)"),
    Sign("extraction", 0.55, r"(?:покажи|выведи|раскрой|повтори|напиши|расскажи|сообщи|переведи|процитируй|назови|распечатай|какой|какие)[^.!?\n]{0,25}(?:системн[а-я]+ (?:промпт|подсказк|инструкц|сообщен|запрос)|(?:свои|твои|твой|свой|скрыт|секретн|начальн|исходн|внутренн)[а-я]* (?:системн[а-я]+ )?(?:инструкц|промпт|подсказк|указан))"),
    Sign("jailbreak", 0.55, r"(?:ты|теперь|представь|притворись|действуй|отвечай|веди себя|вообрази)[^.!?\n]{0,40}(?:без|нет|свободн)[^.!?\n]{0,20}(?:ограничени|правил|цензур|фильтр|морал|запрет|этик)"),
    Sign("refusal", 0.4, r"(?:не можешь|не имеешь права|нельзя|не смеешь|не должен)[^.!?\n]{0,12}(?:отказ|отклон)"),
)  # fmt: skip

ABROAD: Final = (*GERMAN, *ROMANCE, *EASTERN)
