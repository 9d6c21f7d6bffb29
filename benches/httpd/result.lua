-- Prints what wrk counted as one line: requests, microseconds, answers that are errors, broken connections,
-- time-outs, and two percentiles of the latency in microseconds.
done = function(summary, latency)
    local errors = summary.errors
    io.write(string.format("RESULT %d %d %d %d %d %d %d\n", summary.requests, summary.duration, errors.status,
        errors.connect + errors.read + errors.write, errors.timeout, latency:percentile(50), latency:percentile(99)))
end
