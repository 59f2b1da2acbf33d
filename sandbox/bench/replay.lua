-- Replays the requests of a file for wrk, each once and in order. In the file the length of a request precedes it in six
-- digits. At the end of the file the last request repeats, which the connector refuses as a replay, so the run does not
-- count.

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
  io.write(string.format('\nRESULT {"requests":%d,"microseconds":%d,"refused":%d,"broken":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99)))
end
