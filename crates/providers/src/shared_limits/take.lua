-- Counts one request for every key, or for none of them when one is past its rate.
--
-- KEYS: whom to count. ARGV: now, the window and the width of a spell in microseconds, and the requests in a window.
-- A key holds the requests of the last window, oldest first, as texts "first:last:requests"; each is a few requests that
-- came close together. Answers {1, what remains of the tightest, 0} or {0, 0, microseconds to wait}.
local now, window, width, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local function read(key)
  local spells = {}
  for _, text in ipairs(redis.call('LRANGE', key, 0, -1)) do
    local first, last, requests = string.match(text, '^(%d+):(%d+):(%d+)$')
    table.insert(spells, { first = tonumber(first), last = tonumber(last), requests = tonumber(requests) })
  end
  return spells
end

local function written(spell)
  return string.format('%.0f:%.0f:%.0f', spell.first, spell.last, spell.requests)
end

-- Clocks of several nodes differ a little; for one key time goes forward all the same.
local kept = {}
for _, key in ipairs(KEYS) do
  kept[key] = read(key)
  local newest = kept[key][#kept[key]]
  if newest and newest.last > now then
    now = newest.last
  end
end

local wait, remaining, over = 0, limit, {}
for _, key in ipairs(KEYS) do
  local used = 0
  over[key] = 0
  for _, spell in ipairs(kept[key]) do
    if now - spell.last >= window then
      over[key] = over[key] + 1
    else
      used = used + spell.requests
    end
  end
  remaining = math.min(remaining, limit - used - 1)
  if used >= limit then
    -- A plan may have changed to a lower rate: wait until enough is over.
    local passed = 0
    for place = over[key] + 1, #kept[key] do
      passed = passed + kept[key][place].requests
      if passed > used - limit then
        wait = math.max(wait, window - (now - kept[key][place].last))
        break
      end
    end
  end
end
if remaining < 0 then
  return { 0, 0, wait }
end

for _, key in ipairs(KEYS) do
  local newest = kept[key][#kept[key]]
  redis.call('LTRIM', key, over[key], -1)
  if newest and over[key] < #kept[key] and now - newest.first < width then
    newest.last = now
    newest.requests = newest.requests + 1
    redis.call('LSET', key, -1, written(newest))
  else
    redis.call('RPUSH', key, written({ first = now, last = now, requests = 1 }))
  end
  redis.call('PEXPIRE', key, string.format('%.0f', math.ceil(window / 1000) + 1000))
end
return { 1, remaining, 0 }
