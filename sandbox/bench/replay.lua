-- Replays the requests of a file, each once and in their order, for wrk. In the file every request follows its length,
-- written in six digits. When the file ends the last request is repeated, which a connector refuses as a replay: the run
-- is then found to be spoiled.

local requests, last

function init(args)
  requests = assert(io.open(args[1], "rb"))
end

function request()
  local size = requests:read(6)
  if size then
    last = requests:read(tonumber(size))
  end
  return last
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\nRESULT {"requests":%d,"microseconds":%d,"refused":%d,"broken":%d,"p99":%d}\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout, latency:percentile(99)))
end
