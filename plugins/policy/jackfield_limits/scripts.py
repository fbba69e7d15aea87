"""What Redis does in one step each: Lua, which runs alone.

Counters of windows are numbers with a time to live, one key a window. Places that are held are sorted sets: a member
for each, with the Unix time at which it is free again by itself. What a request has taken stands in a hash, so that
giving back happens once however often it is asked for, and does nothing where the taking never arrived.
"""

from __future__ import annotations

from typing import Final

TAKE: Final = """
-- KEYS: the hold; then two an entry: the window's counter and the one before, or the set of places, twice
-- ARGV: now, hold's id, when its places are free by themselves, seconds that the hold is kept;
--       then five an entry: limit, amount, seconds left of the window, its length, seconds its counter is kept; the
--       last is 0 for places
local now, hold, free_at, kept = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local entries = (#KEYS - 1) / 2
local answer = {1}
for i = 1, entries do
  local key, before, at = KEYS[2 * i], KEYS[2 * i + 1], 5 * i
  local limit, amount = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local current, previous = 0, 0
  if ARGV[at + 4] == '0' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    current = redis.call('ZCARD', key)
    if current + amount > limit then answer[1] = 0 end
  else
    current = tonumber(redis.call('GET', key) or '0')
    if before ~= key then previous = tonumber(redis.call('GET', before) or '0') end
    local used = previous * tonumber(ARGV[at + 2]) / tonumber(ARGV[at + 3]) + current
    if not (used < limit - amount + 1) then answer[1] = 0 end
  end
  answer[2 * i], answer[2 * i + 1] = current, previous
end
if answer[1] == 0 then return answer end
for i = 1, entries do
  local key, at = KEYS[2 * i], 5 * i
  local amount, seconds = ARGV[at + 1], ARGV[at + 4]
  if seconds == '0' then
    for j = 1, tonumber(amount) do redis.call('ZADD', key, free_at, hold .. '#' .. j) end
    redis.call('EXPIRE', key, kept)
  else
    redis.call('INCRBY', key, amount)
    redis.call('EXPIRE', key, seconds)
  end
  redis.call('HSET', KEYS[1], i, amount)
end
redis.call('EXPIRE', KEYS[1], kept)
return answer
"""

CHANGE: Final = """
-- KEYS: the hold; then one an entry: the counter of the window that was charged, or the set of places
-- ARGV: hold's id, whether it ends (1); then two an entry: amount, whether it is a place (1)
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for i = 1, #KEYS - 1 do
  local key, old = KEYS[i + 1], tonumber(redis.call('HGET', KEYS[1], i))
  local amount = tonumber(ARGV[2 * i + 1])
  if ARGV[2 * i + 2] == '1' then
    for j = amount + 1, old do redis.call('ZREM', key, ARGV[1] .. '#' .. j) end
    amount = math.min(amount, old)
  elseif amount ~= old and redis.call('EXISTS', key) == 1 then
    if redis.call('INCRBY', key, string.format('%.0f', amount - old)) < 0 then
      redis.call('SET', key, 0, 'KEEPTTL')
    end
  end
  redis.call('HSET', KEYS[1], i, string.format('%.0f', amount))
end
if ARGV[2] == '1' then redis.call('DEL', KEYS[1]) end
return 1
"""
