-- Questions of the simulated world for wrk, another one with each request:
--   tt-scale serve --model-name simulated --prm-name simulated
--   wrk -t1 -c64 -d30s --latency -s benchmarks/questions.lua http://127.0.0.1:8000/v1/chat/completions

local number = 0
local body = '{"model": "dvts", "messages": [{"role": "user", "content": "Simulated problem %d: level 3, 5 steps."}]}'

function request()
  number = number + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, string.format(body, number))
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format("answered %d, other statuses %d, connections refused %d, read %d, write %d, late %d",
    summary.requests, errors.status, errors.connect, errors.read, errors.write, errors.timeout))
  print(string.format("requests/s %.1f, p50 %.1f ms, p99 %.1f ms",
    1e6 * summary.requests / summary.duration, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
