-- The first argument names a file of requests, one a line: method, path, range and body, parted by tabs. They are sent in turn.
local requests = {}
local at = 0

function init(args)
  for line in io.lines(args[1]) do
    local method, path, range, body = line:match('^(%S+)\t(%S+)\t([^\t]*)\t(.*)$')
    local headers = {}
    if range ~= '' then headers['Range'] = range end
    if body == '' then body = nil else headers['Content-Type'] = 'application/json' end
    requests[#requests + 1] = wrk.format(method, path, headers, body)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"bytes":%d,"microseconds":%d,"refused":%d,"broken":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.bytes, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50), latency:percentile(99)))
end
