"""The preset dictionary of the packed part: what every record says, so that small ones need not write it down.

It never changes, since lines are unpacked with the dictionary that they were packed with. Text that occurs more often
stands later, where references to it are shorter.
"""

from __future__ import annotations

__all__ = ["DICTIONARY"]

DICTIONARY = (
    '"explicit":[["parts":[["behind":[["chars":[["said":[["divided":[["error":[["failures":[["too_long":["flops":[["v'
    'alues":[["lead_in":[["groupings":[["bars":[["timeout":"order":["logprobs":[["confidences":[["top_logprobs":["del'
    'imited":["prompt_tokens":["cut":["forced":["flops":["cached_prompt_tokens":["cached_prm_tokens":["open","truncat'
    'ed","failed","unreadable","context","length","stop","stop","stop","eos","eos",0,0,0,0,0,0.0,0.0,0.0,1.0,1.0,1,1,'
    '1,1,-1,-1,{"tree":{"key":["0.0","1.0","0.0.0","state":["finished","finished"],"score":[0.,"from":[0],"steps":[1]'
    ',"scored":[1],"scores":[0.],"usage":{"generated_tokens":[],"prompt_tokens":[],"generator_calls":[1],"prm_tokens"'
    ':[],"prm_calls":[1]},"text":["","tokens":[],"ids":[],"ended":["stop","eos"],"temperature":[0.0],"cached":[0],"se'
    'ed":[]},"tape":{"prompt":[","generator":[],"prm":[0,0],"calls":[1,-1],"requests":{"seed":[],"max_tokens":[],"tem'
    'perature":[0.0],"node":[0,1,2,3],"tokens":[],"ended":["stop","eos"]},"scores":{"node":[0,1,2,3],"tokens":[],"cac'
    'hed":[0,0]},"texts":{"request":[0,1,2,3],"lengths":[5,3,6,4]}},"inputs":"'
).encode("ascii")
