"""The chart for README: a bar for each server, readable on light and on dark ground."""

from html import escape

from report import percent

CASE = "bcrypt10"
SUBTITLE = ("requests/s with one user, bcrypt cost 10, of the same server's requests/s "
            "without authentication")
LEFT, BAR, RIGHT = 210, 400, 80
TOP, STEP, THICKNESS = 58, 30, 18

STYLE = """text { font: 14px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 16px; font-weight: 600; }
.small { font-size: 12px; fill: #57606a; }
.ground { fill: #eaeef2; } .bar { fill: #8c959f; } .ours { fill: #0969da; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .small { fill: #9198a1; }
.ground { fill: #21262d; } .bar { fill: #6e7681; } .ours { fill: #4493f8; }
}"""


def row(position, key, label, share):
    """One server's bar."""
    y = TOP + position * STEP
    width = max(1.0, min(share, 1.0) * BAR)
    kind = "ours" if key == "ours" else "bar"
    return (f'<text x="{LEFT - 10}" y="{y + 14}" text-anchor="end">{escape(label)}</text>\n'
            f'<rect class="ground" x="{LEFT}" y="{y}" width="{BAR}" height="{THICKNESS}" rx="2"/>\n'
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{THICKNESS}" rx="2"/>\n'
            f'<text x="{LEFT + BAR + 10}" y="{y + 14}">{percent(share)}</text>\n')


def draw(results):
    """The text of the SVG file: the share of each server's own open rate, one user, bcrypt cost 10."""
    bars = [(key, server["label"], server["cases"][CASE]["share"]) for key, server in results["static"].items()
            if "share" in server["cases"].get(CASE, {})]
    bars.sort(key=lambda bar: (bar[0] != "ours", -bar[2]))
    rows = "".join(row(position, *bar) for position, bar in enumerate(bars))
    width, height = LEFT + BAR + RIGHT, TOP + len(bars) * STEP + 6
    title = "What authentication leaves of a server's throughput"
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
