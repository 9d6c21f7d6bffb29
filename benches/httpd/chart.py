"""The charts for the documentation, readable on light and dark backgrounds."""

import math
from html import escape

from report import percent

CASE = "bcrypt10"
OURS = ("ours", "nginx-ours")
SUBTITLE = "one user, bcrypt cost 10; share of the same server's requests/s without authentication"
LEFT, BAR, RIGHT = 210, 400, 80
TOP, STEP, THICKNESS = 58, 30, 18

STYLE = """text { font: 14px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 16px; font-weight: 600; }
.small { font-size: 12px; fill: #57606a; }
.ground { fill: #eaeef2; } .bar { fill: #8c959f; } .ours { fill: #0969da; }
.grid { stroke: #d0d7de; } .line { fill: none; stroke-width: 2; }
.users { stroke: #0969da; } .members { stroke: #bc4c00; } .groups { stroke: #1a7f37; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .small { fill: #9198a1; }
.ground { fill: #21262d; } .bar { fill: #6e7681; } .ours { fill: #4493f8; }
.grid { stroke: #30363d; } .users { stroke: #4493f8; } .members { stroke: #f0883e; } .groups { stroke: #3fb950; }
}"""


def row(position, key, label, share):
    """One server's bar."""
    y = TOP + position * STEP
    width = max(1.0, min(share, 1.0) * BAR)
    kind = "ours" if key in OURS else "bar"
    return (f'<text x="{LEFT - 10}" y="{y + 14}" text-anchor="end">{escape(label)}</text>\n'
            f'<rect class="ground" x="{LEFT}" y="{y}" width="{BAR}" height="{THICKNESS}" rx="2"/>\n'
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{THICKNESS}" rx="2"/>\n'
            f'<text x="{LEFT + BAR + 10}" y="{y + 14}">{percent(share)}</text>\n')


def draw(results):
    """The text of the SVG file: the share of each server's own open rate, one user, bcrypt cost 10."""
    bars = [(key, server["label"], server["cases"][CASE]["share"]) for key, server in results["static"].items()
            if "share" in server["cases"].get(CASE, {})]
    bars.sort(key=lambda bar: (bar[0] not in OURS, -bar[2]))
    rows = "".join(row(position, *bar) for position, bar in enumerate(bars))
    width, height = LEFT + BAR + RIGHT, TOP + len(bars) * STEP + 6
    title = "Throughput left with authentication turned on"
    described = "; ".join(f"{label} {percent(share)}" for _, label, share in bars)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"
 width="{width}" height="{height}" role="img">
<title>{title}</title>
<desc>{escape(described)}</desc>
<style>{STYLE}</style>
<text class="title" x="10" y="22">{title}</text>
<text class="small" x="10" y="42">{SUBTITLE}</text>
{rows}</svg>
"""


# The plot of lookups: its position, and the range of its axis (powers of ten of entries).
PLOT_LEFT, PLOT_TOP, PLOT_WIDTH, PLOT_HEIGHT = 60, 60, 480, 200
DECADES = 6
LINES = {"users": "users of a password file", "members": "members of one group", "groups": "members of groups of 10"}


def draw_scale(found):
    """The text of the SVG file: the time of a lookup by the number of entries."""
    top = max(1.0, max(row["look_up_ns"] for rows in found.values() for row in rows) / 1000)
    top = math.ceil(top * 2) / 2

    def place(entries, microseconds):
        x = PLOT_LEFT + math.log10(entries) / DECADES * PLOT_WIDTH
        return f"{x:.1f},{PLOT_TOP + (1 - microseconds / top) * PLOT_HEIGHT:.1f}"

    parts = []
    for step in range(5):
        value = top * step / 4
        y = PLOT_TOP + (1 - step / 4) * PLOT_HEIGHT
        parts.append(f'<line class="grid" x1="{PLOT_LEFT}" x2="{PLOT_LEFT + PLOT_WIDTH}" y1="{y}" y2="{y}"/>'
                     f'<text class="small" x="{PLOT_LEFT - 8}" y="{y + 4}" text-anchor="end">{value:.2f}</text>')
    for decade in range(DECADES + 1):
        x = PLOT_LEFT + decade / DECADES * PLOT_WIDTH
        parts.append(f'<text class="small" x="{x}" y="{PLOT_TOP + PLOT_HEIGHT + 18}" text-anchor="middle">'
                     f'{10 ** decade:,}</text>')
    for number, (key, label) in enumerate(LINES.items()):
        points = " ".join(place(row["entries"], row["look_up_ns"] / 1000) for row in found[key])
        y = PLOT_TOP + 14 + number * 18
        parts.append(f'<polyline class="line {key}" points="{points}"/>'
                     f'<line class="line {key}" x1="{PLOT_LEFT + 12}" x2="{PLOT_LEFT + 36}" y1="{y}" y2="{y}"/>'
                     f'<text class="small" x="{PLOT_LEFT + 44}" y="{y + 4}">{escape(label)}</text>')
    width, height = PLOT_LEFT + PLOT_WIDTH + 40, PLOT_TOP + PLOT_HEIGHT + 36
    title = "Lookup time by number of entries"
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"
 width="{width}" height="{height}" role="img">
<title>{title}</title>
<style>{STYLE}</style>
<text class="title" x="10" y="22">{title}</text>
<text class="small" x="10" y="42">microseconds; each lookup asks for another entry than the one before</text>
{chr(10).join(parts)}
</svg>
"""
