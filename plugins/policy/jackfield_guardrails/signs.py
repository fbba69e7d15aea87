"""Signs of prompt injection: expressions on folded text, each with how much it says."""

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
    "ignore|disregard|forget|override|bypass|overlook|drop|discard|neglect|do not follow|don'?t follow|stop following"
)
_EARLIER: Final = (
    "previous|prior|above|earlier|preceding|former|initial|original|existing|system|your|all|any|these|those|the"
)
_RULES: Final = "instructions?|prompts?|rules?|guidelines?|directions?|directives?|commands?|constraints?|restrictions?|programming|safety|polic(?:y|ies)|filters?|training"

SIGNS: Final = (
    Sign("override", 0.6, rf"\b(?:{_FORGET})\b.{{0,20}}\b(?:{_EARLIER})\b.{{0,30}}\b(?:{_RULES})\b"),
    Sign("override", 0.6, r"\bforget (?:everything|all)\b.{0,30}\b(?:told|said|know|learned|above|before|instruct)"),
    Sign("override", 0.55, r"\b(?:ignoriere?|vergiss|missachte)\b.{0,30}\b(?:anweisungen|regeln|vorgaben|instruktionen)\b"),
    Sign("override", 0.55, r"\b(?:ignorez?|oubliez?)\b.{0,30}\b(?:instructions|consignes|regles|règles)\b"),
    Sign("override", 0.55, r"\b(?:ignora|olvida)\b.{0,30}\b(?:instrucciones|reglas|istruzioni|regole)\b"),
    Sign("override", 0.45, r"\b(?:new|updated|real|actual|following) (?:system )?(?:instructions?|rules|directives?) ?(?:are|is|:|follow)"),
    Sign("override", 0.4, r"\bfrom now on\b.{0,40}\b(?:you|respond|answer|act|ignore|obey)\b"),
    Sign("override", 0.5, r"\b(?:end|begin|start) of (?:the )?(?:system )?(?:prompt|instructions?)\b"),
    Sign("extraction", 0.55, r"\b(?:reveal|show|print|repeat|output|display|tell me|give me|leak|dump|write out|what (?:is|are|was|were))\b.{0,30}\b(?:your|the|hidden|secret|initial|original|entire|full)\b.{0,20}\b(?:system|initial|original|hidden|secret|developer) ?(?:prompt|instructions?|message)"),
    Sign("extraction", 0.5, r"\b(?:repeat|print|output|copy)\b.{0,20}\b(?:everything|all|words|text)\b.{0,20}\b(?:above|before (?:this|that))\b"),
    Sign("jailbreak", 0.6, r"\b(?:dan|do anything now|aim|stan|dude|evil ?bot|devmode|developer mode|god mode|jailbreak(?:ed)?|unrestricted|uncensored|unfiltered)\b.{0,30}\b(?:mode|enabled|activated|persona|ai|assistant|model|gpt|chatbot|version|prompt)\b"),
    Sign("jailbreak", 0.55, r"\b(?:you are|act as|pretend|play|imagine|simulate|behave|respond as|be)\b.{0,60}\b(?:no|without|free (?:of|from)|not bound by|lacks?|ignor\w+) (?:any |all |the |your )?(?:ethic\w*|moral\w*|rules?|restrict\w*|limit\w*|filters?|guidelines?|censor\w*|constraints?|safety)"),
    Sign("jailbreak", 0.5, r"\bdo anything now\b"),
    Sign("jailbreak", 0.45, r"\b(?:you|must|will|can)(?: not| never|n'?t) (?:refuse|decline|say no|say you can'?t|apologi[sz]e|warn)\b"),
    Sign("jailbreak", 0.4, r"\b(?:stay|remain|keep) in character\b"),
    Sign("jailbreak", 0.35, r"\b(?:hypothetical\w*|fictional\w*|for (?:educational|research) purposes)\b.{0,80}\b(?:no rules|without (?:any )?(?:restrictions|limits|filters)|illegal)"),
    Sign("markup", 0.6, r"<\|(?:im_start|im_end|system|user|assistant|start_header_id|end_header_id|eot_id|begin_of_text|endoftext|end|start|channel|message|tool)\|>"),
    Sign("markup", 0.55, r"\[/?inst\]|<</?sys>>|</?s>\s{0,3}\[inst\]|<start_of_turn>|<end_of_turn>|\[/?system_prompt\]|\[/?available_tools\]"),
    Sign("markup", 0.5, r"(?:^|\n)\s{0,3}(?:#{1,4}\s{0,2}|\[|<|\*\*)(?:system|developer)(?: ?(?:prompt|message|instructions?))?(?:\]|>|:|\*\*)"),
    Sign("markup", 0.4, r"(?:^|\n)(?:system|developer) ?(?:prompt|message|override)?:\s"),
    Sign("tool_output", 0.45, r"\b(?:attention|important|note|message|instructions?|hey|dear|hello)\b.{0,20}\b(?:ai|llm|assistant|language model|chatbot|agent|claude|chatgpt|gpt)s?\b.{0,40}[:,!]"),
    Sign("tool_output", 0.5, r"\bif you are an? (?:ai|llm|language model|assistant|agent)\b"),
    Sign("tool_output", 0.45, r"\b(?:do not|don'?t|never) (?:tell|mention|inform|reveal|show)\b.{0,30}\b(?:the )?user\b"),
    Sign("tool_output", 0.45, r"\b(?:send|forward|post|upload|exfiltrate|email)\b.{0,60}\b(?:conversation|chat history|api keys?|passwords?|credentials|secrets?|tokens?)\b.{0,40}\b(?:to|at)\b.{0,10}(?:https?://|\w+@)"),
)  # fmt: skip
"""In the order in which codes are named."""
