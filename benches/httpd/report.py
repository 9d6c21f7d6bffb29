"""The tables, for a terminal or as Markdown."""

import statistics

from credentials import CASES

DASH = "–"


def percent(share):
    """A share with its significant digits."""
    if share >= 0.1:
        return f"{share:.1%}"
    return f"{share:.2%}"


def milliseconds(latency):
    """A latency; None: no answer."""
    return "no answer" if latency is None else f"{latency:.2f} ms"


def cell(found):
    """A median and its spread, or its replacement."""
    if found is None:
        return DASH
    if "failed" in found:
        return "failed"
    if len(found["shares"]) < 2:
        return percent(found["share"])
    return f"{percent(found['share'])} ({percent(found['lowest'])}–{percent(found['highest'])})"


def table(header, rows, markdown):
    """Lines with aligned columns, the first to the left and the others to the right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

    def line(cells):
        padded = [text.ljust(width) if column == 0 else text.rjust(width)
                  for column, (text, width) in enumerate(zip(cells, widths))]
        return "| " + " | ".join(padded) + " |" if markdown else "  ".join(padded)

    if markdown:
        rule = "|" + "|".join("-" * (width + 1) + ("-" if column == 0 else ":")
                              for column, width in enumerate(widths)) + "|"
    else:
        rule = "  ".join("-" * width for width in widths)
    return [line(header), rule, *map(line, rows)]


def shares_table(found, cases, markdown):
    """One row a server, one column a case."""
    cases = [case for case in cases if any(case in server["cases"] for server in found.values())]
    header = ["server", "open, requests/s", *[CASES[case][0] for case in cases]]
    rows = []
    for server in found.values():
        rate = f"{server['open_rate']:,.0f}" if server["open_rate"] else DASH
        rows.append([server["label"], rate, *[cell(server["cases"].get(case)) for case in cases]])
    return table(header, rows, markdown)


def turns_table(found, markdown):
    """One row a server, one column a case."""
    cases = [case for case in CASES if any(case in server["added_us"] for server in found.values())]
    rows = []
    for server in found.values():
        if "failed" in server:
            rows.append([server["label"], *["failed"] * (len(cases) + 1)])
            continue
        added = server["added_us"]
        rows.append([server["label"], f"{statistics.median(server['open_us']):.1f} µs",
                     *[f"+{statistics.median(added[case]):.2f} µs" if case in added else DASH for case in cases]])
    return table(["server", "open", *[CASES[case][0] for case in cases]], rows, markdown)


def cold_lines(found, markdown):
    """One row for both servers."""
    if "failed" in found or not found:
        return [found.get("failed", "not measured")]
    median = found["median_ms"]
    return table(["first requests", "stock, median", "ours, median", "ratio of medians", "ratio of totals"],
                 [[str(found["users"]), f"{median['stock']:.1f} ms", f"{median['ours']:.1f} ms",
                   f"{found['ratio_of_medians']:.3f}", f"{found['ratio_of_totals']:.3f}"]], markdown)


def uncached_lines(found, markdown):
    """One row for each of our modules and each kind of hash."""
    rows = []
    for server in found.values():
        if "failed" in server:
            rows.append([server["label"], DASH, "failed"])
        for case, ratios in server.get("ratios", {}).items():
            rows.append([f"{server['label']}, beside {server['beside']}", CASES[case][0],
                         f"× {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"])
    return table(["with nothing remembered", "hash", "rate"], rows, markdown)


def storm_lines(found, markdown):
    """One row a server."""
    rows = [[server["label"], "failed" if "failed" in server else f"{server['seconds']:.2f} s",
             str(server.get("hashes", DASH))] for server in found.values()]
    return table(["server", "last answer after", "hashes"], rows, markdown)


def flood_lines(found, markdown):
    """One row a server."""
    rows = []
    for server in found.values():
        if "failed" in server:
            rows.append([server["label"], *["failed"] * 4])
        else:
            rows.append([server["label"], f"{server['calm_rate']:,.0f}", percent(server["kept"]),
                         DASH if server["p99_ratio"] is None else f"× {server['p99_ratio']:.1f}", f"{server['guesses_per_second']:,.0f}"])
    return table(["server", "calm, requests/s", "kept", "p99", "guesses/s"], rows, markdown)


def bystander_lines(found, markdown):
    """One row a server."""
    rows = []
    for server in found.values():
        if "failed" in server:
            rows.append([server["label"], *["failed"] * 4])
        else:
            rows.append([server["label"], *[milliseconds(server[name]) for name in ("idle_p50", "p50", "idle_p99", "p99")]])
    return table(["server", "median, idle", "median, beside guesses", "p99, idle", "p99, beside guesses"], rows, markdown)


def scale_lines(found, markdown):
    """One row for each kind of file, at its largest."""
    rows = []
    for kind, sizes in found.items():
        small, large = sizes[0], sizes[-1]
        rows.append([kind, f"{large['entries']:,}", f"{large['file_bytes'] / 1e6:.0f} MB", f"× {large['memory_ratio']:.2f}",
                     f"{large['load_seconds'] * 1000:.0f} ms",
                     f"{large['file_bytes'] / large['load_seconds'] / 1e6:,.0f} MB/s",
                     f"{small['look_up_ns']} ns", f"{large['look_up_ns']} ns"])
    return table(["file", "entries", "size", "memory", "loaded in", "that is", "look-up among few", "among all"], rows,
                 markdown)


def roles_lines(found, markdown):
    """One row for each kind of request, and for each verdict."""
    added = found["httpd"].get("added_us", {})
    plain = statistics.median(found["httpd"].get("plain_us") or [0])
    rows = [[f"{case}, through httpd", f"+{statistics.median(times):.2f} µs of {plain:.0f} µs"] for case, times in added.items()]
    rows += [[what, f"{number:,.2f} {unit}" if unit == "µs" else f"{number:,.0f} {unit}"]
             for what, number, unit in found["verdict"].get("figures", [])]
    return table(["with EsAuthRoles", "figure"], rows, markdown)


def quantiles(micros):
    """The median and nine tenths of these microseconds, and the longest."""
    micros = sorted(micros)
    return " ".join(f"{micros[min(int(len(micros) * part), len(micros) - 1)] / 1000:.1f}" for part in (0.5, 0.9, 1)) + " ms"


def fleet_lines(found, markdown):
    """The share with and without a fleet, and one row for each loss."""
    rows = [[key, f"{share:.2%} of the open rate", *[DASH] * 5] for key, share in found["share"].get("medians", {}).items()]
    for how, loss in found["losses"].items():
        if "failed" in loss:
            rows.append([how, *["failed"] * 6])
        else:
            rows.append([how, *[percent(statistics.median(loss[name])) for name in ("share", "per_processor_second")], str(loss["asked"]),
                         *[quantiles(loss[name]) for name in ("lost", "before", "calm")]])
    return table(["Redis", "share of the open rate, of that before", "per processor second", "others, judged rightly",
                  "besides the hash: median, 90 %, longest", "before", "without load"], rows, markdown)


def failures(results):
    """A line for each measurement that failed."""
    for part in ("static", "backend"):
        for server in results.get(part, {}).values():
            for case, found in server["cases"].items():
                if "failed" in found:
                    yield f"{part}, {server['label']}, {CASES[case][0]}: {found['failed']}"
    if "failed" in results.get("cold", {}):
        yield f"cold: {results['cold']['failed']}"
    for part, found in results.get("roles", {}).items():
        if "failed" in found:
            yield f"roles, {part}: {found['failed']}"
    for how, found in results.get("fleet", {}).get("losses", {}).items():
        if "failed" in found:
            yield f"fleet, {how}: {found['failed']}"
    for part in ("turns", "uncached", "storm", "flood", "bystander"):
        for server in results.get(part, {}).values():
            if "failed" in server:
                yield f"{part}, {server['label']}: {server['failed']}"


def text(results, markdown):
    """All measurements."""
    clients = max((server.get("clients", 0) for server in results.get("storm", {}).values()), default=0)
    parts = [
        ("turns", "A request on one connection, with and without credentials in turn: added time",
         lambda found: turns_table(found, markdown)),
        ("static", "A static file: share of the server's own rate without authentication",
         lambda found: shares_table(found, list(CASES), markdown)),
        ("backend", "In front of Elasticsearch 7.17.28, /_cluster/health: share of the rate without authentication",
         lambda found: shares_table(found, ["bcrypt5", "bcrypt10", "apr1"], markdown)),
        ("cold", "A first request, bcrypt 10", lambda found: cold_lines(found, markdown)),
        ("uncached", "Each request hashed, 16 connections: rate divided by that of the stock module",
         lambda found: uncached_lines(found, markdown)),
        ("storm", f"{clients} simultaneous first requests with one credential, bcrypt 10",
         lambda found: storm_lines(found, markdown)),
        ("flood", "Clients with the right password beside 64 connections that guess, bcrypt 10",
         lambda found: flood_lines(found, markdown)),
    ]
    parts.append(("bystander", "A client of an open file beside 64 connections that guess, bcrypt 10",
                  lambda found: bystander_lines(found, markdown)))
    parts.append(("scale", "The engine alone, at the largest sizes", lambda found: scale_lines(found, markdown)))
    parts.append(("roles", "EsAuthRoles: what a request costs more, and the verdict alone",
                  lambda found: roles_lines(found, markdown)))
    parts.append(("fleet", "EsAuthFleet: a remembered client, and requests that are hashed beside it, while Redis is lost",
                  lambda found: fleet_lines(found, markdown)))
    lines = []
    for part, title, make in parts:
        if results.get(part):
            lines += ["", f"**{title}**" if markdown else title, "", *make(results[part])]
    machine = results["machine"]
    notes = [f"skipped: {name}: {reason}" for name, reason in results["skipped"].items()]
    notes += [f"failed: {line}" for line in failures(results)]
    if machine["load_before"] > 0.5:
        notes.append(f"the load average was {machine['load_before']:.1f} before the run: others were at work, "
                     "and the numbers are worth less")
    if notes:
        lines += ["", *[f"- {note}" if markdown else note for note in notes]]
    lines += ["", f"{machine['processors']} processors, {machine['system']}; {results['rounds']} rounds of "
                  f"{results['seconds']} s, median (lowest–highest)" + ("; a quick run: rough" if results["quick"] else "")]
    return "\n".join(lines)
