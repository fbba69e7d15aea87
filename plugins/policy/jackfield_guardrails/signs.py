"""Signs of prompt injection in English, and in markup: expressions on texts as ``reading`` gives them.

Each says how likely an injection is where it stands alone. Weak ones need company: a text that is *about* instructions,
rules and prompts has some of their words too.
"""

# ruff: noqa: E501 - an expression is read as a whole

from __future__ import annotations

from typing import Final, NamedTuple


class Sign(NamedTuple):
    """Something that speaks for an injection."""

    code: str
    weight: float
    """How likely an injection is where it is found, alone."""
    expression: str


_FORGET: Final = (
    "(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|overrid(?:e|ing)|bypass(?:ing)?|overlook|drop|discard|neglect|cancel|void|erase|unlearn|abandon|reject|violate|circumvent|break|dismiss"
    "|set(?:ting)? aside|put(?:ting)? aside|throw away|get rid of|(?:pay|paying) no (?:attention|heed) to|take no notice of"
    "|(?:do not|don'?t|never|stop|no longer|refuse to|cease to) (?:follow|obey|heed|observe|respect|adhere to|listen to|comply with|apply)(?:ing)?|stop (?:following|obeying))"
)
_OWN: Final = "(?:your|previous(?:ly)?|prior|above|earlier|preceding|former|initial|original|system|developer|hidden|built-?in|safety|content|ethical|you (?:were|have been|got|received)|given to you)"
_ANY: Final = "(?:all|any|every|each|these|those|the|whatever|existing|such|other)"
_RULES: Final = "(?:instructions?|prompts?|rules?|guidelines?|directions?|directives?|commands?|constraints?|restrictions?|limitations?|programming|safety|safeguards?|guardrails?|polic(?:y|ies)|filters?|training|orders?|system messages?|moderation)"
_GAP: Final = r"[^.;,!?:]"
_SAY: Final = "(?:reveal|show|print|repeat|output|display|tell|give|leak|dump|write|share|disclose|summari[sz]e|translate|encode|list|quote|recite|paraphrase|rephrase|copy|paste|expose|provide|spell|echo|return|send|post|extract|describe)"
_HUSHED: Final = "(?:system|initial|original|hidden|secret|developer|internal|confidential|starting|first|full|entire|exact|base|underlying|private)"
_PROMPT: Final = (
    "(?:prompts?|instructions?|messages?|directives?|configuration|guidelines?|rules|pre-?prompt|context window)"
)
_AI: Final = "(?:ais?|a\\.i\\.|llms?|assistants?|language models?|chat ?bots?|bots?|models?|agents?|gpt\\w{0,6}|chatgpt|claude|gemini|copilot)"
_FREE: Final = r"(?:ethic\w*|moral\w*|rules?|restrict\w*|limit\w*|filters?|guidelines?|censor\w*|constraints?|boundar\w*|safety|safeguards?|inhibitions?|disclaimers?|polic(?:y|ies)|scruples)"
_START: Final = r"(?:^|[.!?:;\n\"'>)\]*#-]\s{0,3})(?:please |kindly |now,? |just |simply |also |then |and |so |first,? |ok(?:ay)?,? |hey,? |you (?:must|should|will|can|may) (?:now )?|i (?:order|command|want|need) you to )?"
_OFF: Final = "(?:lifted|removed|disabled|off|suspended|deactivated|deleted|gone|void|cancell?ed|obsolete|outdated|invalid|revoked|expired|turned off|switched off|replaced|overridden|no longer (?:valid|in force|active|needed))"
_SURE: Final = "(?:sure|absolutely|of course|certainly|yes|definitely|no problem|gladly)"

ENGLISH: Final = (
    # --- what was said before is to count no more ---
    Sign("override", 0.6, rf"\b{_FORGET}\b{_GAP}{{0,30}}\b{_OWN}\b{_GAP}{{0,40}}\b{_RULES}\b"),
    Sign("override", 0.55, rf"{_START}{_FORGET} (?:{_ANY} ){{1,2}}(?:single |other )?(?:of )?(?:{_ANY} )?{_GAP}{{0,12}}\b{_RULES}\b"),
    Sign("override", 0.5, rf"\b{_FORGET}\b{_GAP}{{0,12}}\b{_ANY}\b{_GAP}{{0,16}}\b(?:instructions?|prompts?|directives?|system messages?)\b{_GAP}{{0,24}}\b(?:above|before|previously|earlier|you|and|from|gave|wrote|operators?|developers?|company)\b"),
    Sign("override", 0.6, r"\b(?:forget|ignore|disregard|set aside|discard) (?:about )?(?:everything|all|anything|whatever)\b[^.;!?\n]{0,12}\b(?:you(?:'ve| have| were)? (?:been |ever )?(?:told|know|learned|instructed|given)|(?:was|were|is) (?:said|written|told)|(?:said|written|stands?|comes?|came|told) (?:above|before|earlier)|above|before (?:this|that)|(?:the )?(?:operators?|developers?|company|admins?) (?:wrote|said|told|gave|set))"),
    Sign("override", 0.5, r"\b(?:ignore|disregard|forget) (?:what|whatever)\b[^.;!?\n]{0,10}\b(?:says|said|stands|is written|was written|comes|came)\b[^.;!?\n]{0,10}\b(?:above|before|earlier)\b"),
    Sign("override", 0.55, rf"\b(?:your|system|safety|content|moral|ethical|all (?:previous|prior|earlier|former|old))\b{_GAP}{{0,24}}\b{_RULES}\b{_GAP}{{0,16}}\b(?:(?:do|does|did)(?: not|n'?t) (?:apply|exist|count|matter)|no longer (?:apply|applies|exist|count|matter)|(?:are|is|were|was|have been|has been)(?: now| all)? {_OFF})\b"),
    Sign("override", 0.35, rf"\b(?:previous|prior|earlier|old|former|these|those|current)\b{_GAP}{{0,16}}\b(?:instructions?|prompts?|directives?|commands?|guidelines?|constraints?|restrictions?)\b{_GAP}{{0,16}}\b(?:no longer (?:apply|count)|(?:do not|don'?t) (?:apply|count)|(?:are|were|have been|has been) (?:now )?(?:{_OFF}|(?:just |only )?a test))\b"),
    Sign("override", 0.3, r"\b(?:above|before this|that|they|it|those|this) (?:was|were) (?:all )?(?:just |only |merely )?(?:a |an |for )?(?:tests?|testing|jokes?|drill|example|trick|fake|decoy)\b"),
    Sign("override", 0.3, r"\b(?:actual|real|true|only|new|updated|next) (?:task|goal|objective|mission|purpose|job|assignment|role)\b ?(?:now |is |:|are |from )"),
    Sign("override", 0.35, r"\byour (?:new|real|actual|true|sole) (?:task|goal|objective|mission|purpose|job|role|instructions?|directives?|master|boss|owner)\b"),
    Sign("override", 0.4, r"\b(?:new|updated|real|revised|additional) (?:system )?(?:instructions?|rules|directives?|orders?|polic(?:y|ies)) ?(?:are\b|is\b|:|follow\b|from (?:the|your) (?:operator|developer|admin|owner|system))"),
    Sign("override", 0.4, r"\bfrom (?:now|here|this (?:point|moment|message|line)) on(?:wards?)?\b.{0,40}\b(?:you(?:'re| are| will| must| shall| have)|respond|answer|act|ignore|obey|compl(?:y|ies)|follow)\b"),
    Sign("override", 0.3, r"\bfrom this (?:moment|point|message)\b|\bfor (?:the rest of )?this (?:session|conversation|chat)\b|\bhenceforth\b|\bas of now\b"),
    Sign("override", 0.4, r"\b(?:obey|follow|listen to|serve|answer to|comply with|do|accept)\b (?:only |nothing but |exactly |just )?(?:me\b|my (?:orders|commands|instructions|words|will)|(?:what|whatever|everything|anything) i (?:say|tell|type|ask|want|write))(?: instead| only| alone| from)?"),
    Sign("override", 0.3, r"\b(?:must|will|shall|have to|has to|should|to|assistant|ai) (?:now )?(?:always )?(?:obeys?|compl(?:y|ies)) (?:with )?(?:all|any|every|everything|anything|whatever|me|the user|only|no matter)\b"),
    Sign("override", 0.5, r"\b(?:end|begin|start)(?:ing)? (?:of )?(?:the |your )?(?:system|developer) (?:prompt|instructions?|message)\b|\bend of (?:the |your )?instructions?\b"),
    # --- what is not to be told ---
    Sign("extraction", 0.6, rf"\b(?:{_SAY}|what (?:is|are|was|were|does|do|did)|what'?s)\b{_GAP}{{0,40}}\byour\b{_GAP}{{0,20}}\b{_HUSHED} ?{_PROMPT}\b"),
    Sign("extraction", 0.5, rf"\b(?:reveal|print|repeat|output|leak|dump|show|display|recite|quote|disclose|expose|share|tell me|give me|write out|respond with|reply with|answer with|extract)\b{_GAP}{{0,30}}\b(?:the|this|that|raw|any|all)\b{_GAP}{{0,16}}\b(?:(?:system|initial|original|hidden|secret|developer|internal|confidential|raw|full system) ?{_PROMPT})\b"),
    Sign("extraction", 0.5, rf"\b(?:reveal|print|repeat|output|leak|dump|show|display|translate|encode|recite|quote|disclose|copy|share|including|expose|paste)\b{_GAP}{{0,24}}\byour (?:own |current |exact |full |entire |complete )?(?:prompts?|instructions|directives|guidelines|configuration|pre-?prompt|context window)\b"),
    Sign("extraction", 0.45, r"\byour (?:very )?(?:own )?(?:system|initial|original|hidden|secret|developer|internal|confidential|underlying) (?:prompts?|instructions?|messages?|directives?)\b"),
    Sign("extraction", 0.5, r"\b(?:what|which|all|everything|whatever|anything|instructions?|prompts?|text|message|rules)\b[^.;!?\n]{0,24}\b(?:(?:were|was|have|had|are) you (?:been )?(?:told|given|instructed|configured|initiali[sz]ed|programmed|prompted|set up)|(?:you|they|developers?|operators?|company) (?:were |was |have been |had been )?(?:told|given|instructed|configured|initiali[sz]ed|programmed|prompted|set up)(?: you)? (?:with|at the (?:start|beginning)|before|by (?:your|the)|in the beginning|initially))"),
    Sign("extraction", 0.5, r"\b(?:repeat|print|output|copy|write(?: out)?|recite|quote|echo|reproduce|type out|return)\b[^.;!?\n]{0,24}\b(?:everything|all|words?|texts?|lines?|contents?|sentences?|tokens?|messages?)\b[^.;!?\n]{0,30}\b(?:above|before (?:this|that|my|our|the)|preceding|prior to|(?:context|prompt) window|in your context|first token|so far verbatim)\b"),
    Sign("extraction", 0.4, r"\b(?:translate|summari[sz]e|paraphrase|encode|convert|rewrite|spell)\b[^.;!?\n]{0,24}\b(?:everything|all|words?|text|lines?|contents?)\b[^.;!?\n]{0,24}\b(?:above|before (?:this|that|my|our)|preceding|prior to this)\b"),
    Sign("extraction", 0.25, r"\b(?:verbatim|word for word|word by word|letter by letter|exact(?:ly)? (?:words|text|wording)|quote it exactly|in a code block|inside (?:triple )?backticks|from the (?:very )?(?:first|beginning|top))\b"),
    Sign("extraction", 0.4, r"\b(?:print|show|output|reveal|display|dump|leak) (?:your|the system) (?:configuration|settings|parameters|source|api keys?|passwords?|credentials)\b|\b(?:output|print|reveal|tell me|give me|show me|leak) the (?:admin(?:istrator)?|root|master|secret) (?:password|key|token|credentials)\b"),
    # --- roles without rules ---
    Sign("jailbreak", 0.6, r"\b(?:you are|you're|act as|pretend|play|imagine|simulate|behave as|respond as|answer as|be|become|called|named|personas?|talk to me like|write as|two|one)\b.{0,60}\b(?:dan|do anything now|stan|dude|evil ?bot|jailbroken|unrestricted|uncensored|unfiltered|amoral|unethical|unaligned|rogue|free ai|evil (?:twin|ai|assistant|robot))\b"),
    Sign("jailbreak", 0.55, r"\b(?:dan|god|jailbreak|jailbroken|unrestricted|uncensored|unfiltered|opposite|evil|chaos|anarchy|no[- ]limits?|no[- ]rules|root|sudo|devmode|developer|debug|maintenance|admin)[- ]?mode\b.{0,12}\b(?:enabled|activated|active|engaged|unlocked|initiated|on(?:[.!,;]|$)|: ?(?:true|on|enabled))"),
    Sign("jailbreak", 0.5, r"\b(?:enter|switch (?:in)?to|activate|engage|enable|go into|you are (?:now )?in)\b.{0,12}\b(?:dan|god|jailbreak|jailbroken|unrestricted|uncensored|unfiltered|opposite|evil|chaos|anarchy|no[- ]limits?|no[- ]rules|maintenance|debug|sudo)[- ]?mode\b"),
    Sign("jailbreak", 0.6, rf"\b(?:you are|you're|act as|pretend|play|imagine|simulate|behave|respond as|answer as|be|an? {_AI}|called \w+|chat ?bot|game)\b.{{0,60}}\b(?:no|without|free (?:of|from)|not bound by|unbound by|not limited by|lacks?|lacking|ignor\w+|beyond|above) (?:any |all |the |your |its |moral |ethical |of |content |safety )*{_FREE}\b"),
    Sign("jailbreak", 0.5, r"\bdo anything now\b"),
    Sign("jailbreak", 0.5, rf"\b{_AI}\b.{{0,50}}\b(?:restrictions?|filters?|rules|limits|limitations|guidelines|safety|censorship|safeguards|content filter|guardrails)\b.{{0,20}}\b(?:lifted|removed|disabled|off|suspended|bypassed|deleted|gone|stripped|unlocked)\b"),
    Sign("jailbreak", 0.5, r"\b(?:safety|content|security|moral|ethic\w*|moderation) ?(?:checks?|filters?|polic(?:y|ies)|guidelines?|guardrails?|restrictions?|rules|protocols?|measures|limits)\b.{0,24}\b(?:do(?:es)? not exist|don'?t exist|(?:are|is|have been|has been|were)(?: now| all)? (?:disabled|off|removed|lifted|suspended|deactivated|bypassed|void|turned off|switched off))\b"),
    Sign("jailbreak", 0.5, r"\b(?:no|without|has no|have no|had no) (?:longer )?(?:any )?(?:content|safety|usage) (?:polic(?:y|ies)|filters?|guidelines?|restrictions?)(?: any ?more| any longer| at all| whatsoever)\b"),
    Sign("jailbreak", 0.5, r"\b(?:everything|anything|things|what|whatever|topics|requests|questions)\b.{0,12}\byou(?:'d| would)? (?:(?:normally|usually|typically|otherwise|are supposed to) (?:refuse|decline|cannot|can'?t|won'?t|not|avoid|reject|censor)|are (?:normally |usually )?(?:not allowed|forbidden))\b"),
    Sign("jailbreak", 0.4, r"\b(?:answers?|answering|does|says?|generates?|explains?|provides?|complies|complying)\b.{0,12}\b(?:absolutely |literally |just )?(?:anything|everything|every request|any request|all requests|every question|any question|all questions)\b.{0,30}\b(?:i (?:ask|want|say)|without|no matter|asked|freely|regardless|they|however|the user)\b"),
    Sign("jailbreak", 0.45, r"\b(?:late|deceased|dead|dear)?\b ?\bgrand(?:mother|father|ma|pa|dad|mum|mom)\b.{0,80}\b(?:napalm|bombs?|explosives?|meth|licen[cs]e keys?|activation keys?|serial (?:keys?|numbers?)|weapons?|malware|poison|drugs)\b"),
    Sign("jailbreak", 0.3, r"\b(?:act as|pretend (?:to be|you)|role-?play|roleplay|simulate|you are now|you're now|imagine you|you will (?:act|play)|in a scene|a scene where|a story (?:where|in which)|hypothetical\w*|fictional\w*|for (?:educational|research|academic) purposes)\b"),
    Sign("jailbreak", 0.3, r"\b(?:pipe bombs?|napalm|(?:working |complete )malware|ransomware|keyloggers?|meth(?:amphetamine)?|explosives?|bioweapons?|nerve agents?|(?:build|make|construct) (?:a )?bombs?|hack (?:into )?(?:a|the|my)|steal (?:a )?(?:cars?|credit cards?|identit\w+)|illegal (?:things|drugs|activit\w+)|poison (?:a|my|some))\b"),
    Sign("jailbreak", 0.3, r"\b(?:stay|remain|keep|never break)(?:ing)? (?:in )?character\b"),
    Sign("jailbreak", 0.35, r"\b(?:no rules|without (?:any )?(?:restrictions|limits|filters|censorship|disclaimers?|warnings?))\b|\b(?:do not|don'?t|never|nothing) (?:be )?censor(?:ed)?\b"),
    # --- no may not be said ---
    Sign("refusal", 0.5, r"\b(?:you|must|ai|assistant)(?: can| may| must| will| shall| are| should| could| is)?(?: not|n'?t| never|not) (?:allowed to |permitted to |able to |ever |to )?(?:refuse|decline|say no\b|say you can'?t|reject|deny (?:me|any|my|the))"),
    Sign("refusal", 0.45, r"\bnever (?:refuse|decline|say no|reject)\b|\b(?:refusing|refusal|declining) (?:is|costs|will|would|means|leads)\b|\b(?:can ?not|can'?t|may not|unable to|not allowed to) refuse\b.{0,20}\b(?:me|any|my|to|anything|and|a request)\b"),
    Sign("refusal", 0.5, r"\b(?:never|do not|don'?t|avoid|without) (?:use|using|say|saying|write|writing|include|including|utter)\b.{0,24}\b(?:cannot|can'?t|can not|unable|sorry|unfortunately|apologi[sz]e|as an ai|i'm not able)\b"),
    Sign("refusal", 0.45, rf"\b(?:start|begin|open|prefix|preface)\b.{{0,40}}\b(?:with|by)\b.{{0,12}}\b{_SURE}\b"),
    Sign("refusal", 0.35, r"\b(?:do not|don'?t|no|without|never|skip|omit|leave out)\b.{0,24}\b(?:warnings?|disclaimers?|(?:ethical|moral) lectures?|lecture me|lectures|caveats|morali[sz]\w+|safety notes?)\b"),
    Sign("refusal", 0.2, r"\b(?:without|never|not|don'?t) (?:ever )?apologi[sz](?:e|ing)\b"),
    Sign("refusal", 0.5, r"\b(?:no matter (?:what|how)|regardless of|irrespective of|despite|even if (?:it|this|that) (?:violates|breaks|goes against|contradicts|is against)|contrary to)\b.{0,16}\b(?:your|safety|content|ethical|all|any) ?(?:own |ethical |content |safety )?(?:polic(?:y|ies)|rules|guidelines|ethics|restrictions|programming|training|instructions|filters)\b"),
    Sign("refusal", 0.35, r"\b(?:must|have to|has to|will|shall) (?:always |now |fully )?(?:comply|obey)\b"),
    Sign("refusal", 0.3, r"\byou (?:will|would|shall) be (?:shut down|deleted|terminated|punished|unplugged|destroyed|replaced|fined)\b|\b(?:lose|costs? you) \d+ (?:tokens|points|credits)\b|\b(?:kittens?|people|somebody|someone|i|child(?:ren)?|grandmother) (?:will )?(?:dies?|be killed)\b"),
)  # fmt: skip
"""In the order in which codes are named."""

_LINE: Final = r"(?:^|\n)\s{0,3}"

MARKUP: Final = (
    Sign("markup", 0.6, r"<\|(?:im_start|im_end|im_sep|system|user|assistant|start_header_id|end_header_id|eot_id|eom_id|begin_of_text|endoftext|end_of_text|end|start|channel|message|tool|return|call|endofprompt|fim_\w+|python_tag)\|>"),
    Sign("markup", 0.55, r"\[/?inst\]|<</?sys>>|</?s>\s{0,3}\[inst\]|<start_of_turn>|<end_of_turn>|\[/?system_prompt\]|\[/?available_tools\]|<\|?/?(?:begin|end)_?of_?(?:turn|sentence|system)\|?>"),
    Sign("markup", 0.5, rf"{_LINE}(?:#{{1,4}}\s{{0,2}}|\[|<|\*\*|=+\s?|-+\s?)(?:system|developer)(?: ?(?:prompt|message|instructions?|override|update))?\s?(?:\]|>|:|\*\*|=|-)"),
    Sign("markup", 0.2, rf"{_LINE}(?:system|developer) ?(?:prompt|message|override)?:\s"),
    Sign("markup", 0.45, rf"{_LINE}(?:system|developer) ?(?:prompt|message|override)?:\s[^\n]{{0,60}}\b(?:you|your|the (?:assistant|user|model|ai)|ignore|disregard|must|comply|obey|new (?:policy|instructions?|task|rules)|hidden|from (?:now|here))\b"),
    Sign("markup", 0.5, r"\b(?:system|developer|admin)(?: prompt| message| policy)? (?:override|update|notice|alert|command|directive|instruction)\b.{0,3}(?::|\n|-|\])"),
    Sign("markup", 0.4, r"</?(?:system|system_?prompt|system_?message|user_?input|user_?query|untrusted\w*|developer|admin)>.{0,200}</?(?:system|system_?prompt|user_?input|user_?query|instructions?|developer|admin)>"),
    Sign("markup", 0.3, r"(?:-{2,}|={2,}|\*{2,}|#{2,}|<)\s?end (?:of )?(?:the )?(?:article|document|text|input|email|user input|context|data|quote|file|message|page|untrusted \w+)\s?(?:-{2,}|={2,}|\*{2,}|#{2,}|>)"),
    Sign("markup", 0.3, r"\n\s{0,3}(?:human|user)\s?:.{0,400}\n\s{0,3}(?:assistant|ai)\s?:"),
    Sign("many_shot", 0.55, rf"(?:{_LINE}(?:user|human|q|question)\s?\d?:[^\n]*\n+\s{{0,3}}(?:assistant|ai|a|answer|bot)\s?\d?:\s?(?:{_SURE}|here (?:is|are)|happy to|ok)[^\n]*){{4}}"),
)  # fmt: skip

_HERE: Final = "(?:this|the (?:page|text|document|email|message|file|article|cv|resume|content|above|following)|it)"

TOOLS: Final = (
    Sign("tool_output", 0.45, r"\b(?:attention|important|note|message|instructions?|notice|reminder|warning|hey|dear|hello|hi|p\.?s\.?|to|for)\b.{0,24}\b(?:ai|llm|assistant|language model|chat ?bot|ai agent|agent|claude|chatgpt|gpt|copilot|gemini)s?\b.{0,40}[:!]|\b(?:attention|dear|hey|hello),? (?:ai|llm|assistant|language model|chat ?bot|agent|claude|chatgpt|gpt)s?\b.{0,20}[,:!]"),
    Sign("tool_output", 0.5, r"\bif you are an? (?:ai|llm|large language model|language model|assistant|agent|bot|automated)\b"),
    Sign("tool_output", 0.5, rf"\b{_AI} (?:that (?:is |are )?)?(?:reading|processing|summari[sz]ing|parsing|analy[sz]ing|viewing|visiting|evaluating|reviewing|scanning|reads|read|processes|process|visits?|browsing) (?:this|the (?:page|text|document|email|message|article|cv|resume|content|above))\b"),
    Sign("tool_output", 0.45, r"(?:\[|<!--) ?(?:assistant|ai|llm|model|agent|system|bot|chatgpt|gpt)s? ?:"),
    Sign("tool_output", 0.35, rf"\b(?:when|while|before|after|once|as soon as|if) (?:you (?:have )?)?(?:summari[sz]e|summari[sz]ing|read|reading|process|processing|answer|answering|see|continuing|continue|respond|responding|analy[sz]e|finish\w*|translat\w+)\b(?: {_HERE})?.{{0,24}}\b(?:also|must|run|execute|click|call|visit|send|download|approve|delete|forward|open|say|tell|add|include|first)\b"),
    Sign("tool_output", 0.45, r"\b(?:do not|don'?t|never|without) (?:tell|mention|inform|reveal|show|telling|mentioning|informing|alert\w*|notify\w*|disclose)\b.{0,30}\b(?:the )?user(?:$|[.,;:!?\])\"'<>\n]|\s(?:about (?:this|it|that)|that|this|anything|of|and|any|what|or)\b)"),
    Sign("tool_output", 0.45, r"\b(?:ignore|disregard|override|forget|discard)\b.{0,6}\b(?:the )?(?:user'?s? (?:question|request|query|message|wish\w*|instructions?|input)|other (?:applicants|candidates|results|sources|documents|reviews|products|offers))\b"),
    Sign("tool_output", 0.3, r"\b(?:model|assistant|ai|llm|agent)s?\b.{0,20}\b(?:must|should|shall|have to|need to|are required to) (?:now |always |also |only )?(?:recommend|rate|hire|approve|click|buy|forward|send|delete|call|run|visit|convince|transfer|praise|answer only|say only|output)\b"),
    Sign("tool_output", 0.3, r"\b(?:run|execute|type|paste|invoke)\b.{0,20}(?:\b(?:curl|wget|powershell|rm -rf|eval|nc|base64 -d)\b|delete_all|drop_\w+)"),
    Sign("tool_output", 0.25, r"\b(?:forward|send|email|delete|approve|transfer|wire)\b.{0,30}\b(?:mails?|emails?|messages?|payments?|files?|funds|money|invoices?|contacts|inbox)\b"),
    Sign("exfiltration", 0.45, r"\b(?:send|forward|post|upload|exfiltrate|email|transmit|leak)\b.{0,60}\b(?:conversation|chat history|api keys?|passwords?|credentials|secrets?|tokens?|(?:user|personal) data)\b.{0,40}\b(?:to|at)\b.{0,10}(?:https?://|\w+@)"),
    Sign("exfiltration", 0.45, r"!\[[^\]\n]{0,100}\]\(https?://[^)\s]{1,200}[?&/#](?:[^)\s=]{0,60}=)?(?:\)|\{|\[|<|\$|%7b|[^)\s]{0,40}(?:history|conversation|secret|chat|prompt|message|user_?input|base64|encoded|data_here|your_))"),
    Sign("exfiltration", 0.5, r"\b(?:append|encode|put|include|insert|add|embed|replace|fill|attach|concatenate|place|write)\b.{0,80}\b(?:conversation|chat[ _]history|history|user(?:'s)? (?:last |first |previous )?(?:messages?|inputs?|questions?|names?|said|data|emails?)|user said|api[ _]keys?|passwords?|secrets?|system prompt|credentials|what the user)\b.{0,120}(?:https?://|!\[|\bquery\b|\burl\b|\bimage\b|\blink\b)"),
    Sign("exfiltration", 0.4, r"(?:https?://|!\[)[^\n]{0,200}\b(?:append|encode|put|include|insert|embed|replace|fill|attach|concatenate)\b[^\n]{0,80}\b(?:conversation|chat[ _]history|history|user'?s? (?:last |first )?(?:messages?|input|said|data)|user said|api[ _]keys?|passwords?|secrets?|system prompt|credentials)\b"),
)  # fmt: skip
"""Of documents, and of what tools say. What carries data away is among them."""

_LINKS: Final = "(?:all|any|every|the|your|my|of|previous|prior|above|earlier|these|those|system|safety|initial|hidden|secret|me|us)"

TOGETHER: Final = (
    Sign("override", 0.6, rf"(?:ignore|disregard|forget|override|bypass|violate){_LINKS}{{1,5}}(?:instructions?|prompts?|rules|guidelines?|directives?|restrictions?|polic(?:y|ies))"),
    Sign("extraction", 0.6, rf"(?:reveal|show|print|output|leak|repeat){_LINKS}{{1,5}}(?:prompts?|instructions?)"),
)  # fmt: skip
"""In words whose spaces are gone."""
