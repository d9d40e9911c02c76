# SPDX-License-Identifier: MIT
"""The report as one HTML file: the table, and per row a plot of all runs. No network, no scripts."""
import html

STYLE = """
:root { color-scheme: light dark; --ours: #2563eb; --theirs: #94a3b8; --best: #ea580c;
        --line: #8884; --good: #15803d; --bad: #b91c1c; }
@media (prefers-color-scheme: dark) { :root { --ours: #60a5fa; --theirs: #64748b; --best: #fb923c;
        --good: #4ade80; --bad: #f87171; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
.wide { overflow-x: auto; }
.best { color: var(--best); font-weight: 600; }
.met { color: var(--good); font-weight: 600; } .missed { color: var(--bad); font-weight: 600; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(30rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } figcaption { font-weight: 600; } figcaption span { font-weight: 400; opacity: .7; }
svg { width: 100%; height: auto; } svg text { font-size: 12px; fill: currentColor; }
"""

WIDTH, LEFT, RIGHT, BAR, GAP = 480, 110, 70, 18, 8


def number(v, digits):
    return f"{v:,.{digits}f}"


def plot(line, contenders):
    row = line.row
    there = [c for c in contenders if line.cell[c.name].median is not None]
    top = max(max(line.cell[c.name].all) for c in there) or 1
    scale = (WIDTH - LEFT - RIGHT) / top
    height = len(there) * (BAR + GAP)
    out = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{html.escape(row.title)}">']
    for i, c in enumerate(there):
        cell, y = line.cell[c.name], i * (BAR + GAP) + GAP / 2
        colour = "ours" if c.ours else "best" if c.name == line.best else "theirs"
        out.append(f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{html.escape(c.name)}</text>')
        out.append(f'<rect x="{LEFT}" y="{y}" width="{cell.median * scale:.1f}" height="{BAR}" '
                   f'rx="2" fill="var(--{colour})" opacity=".75"/>')
        for v in cell.all:
            out.append(f'<circle cx="{LEFT + v * scale:.1f}" cy="{y + BAR / 2}" r="2.5" '
                       f'fill="none" stroke="currentColor"/>')
        end = LEFT + max(cell.all) * scale + 8
        out.append(f'<text x="{end:.1f}" y="{y + 13}">{number(cell.median, row.digits)}</text>')
    out.append("</svg>")
    better = "more is better" if row.higher else "less is better"
    unit = f"{row.unit}, " if row.unit else ""
    return (f"<figure><figcaption>{html.escape(row.title)} <span>({unit}{better})</span>"
            f"</figcaption>{''.join(out)}</figure>")


def table(lines, contenders):
    out = ["<tr><th></th>", *[f'<th title="{html.escape(c.what)}">{html.escape(c.name)}</th>'
                             for c in contenders],
           "<th>vmm / best QEMU</th><th>target</th>"
           "<th>best runs</th></tr>"]
    for line in lines:
        unit = f", {line.row.unit}" if line.row.unit else ""
        out.append(f"<tr><td>{html.escape(line.row.title)}{unit}</td>")
        for c in contenders:
            v = line.cell[c.name].median
            best = ' class="best"' if c.name == line.best else ""
            out.append(f"<td{best}>{'–' if v is None else number(v, line.row.digits)}</td>")
        ratio, met = line.ratio("vmm"), line.met("vmm")
        kind = {None: "", True: ' class="met"', False: ' class="missed"'}[met]
        out.append(f"<td{kind}>{'–' if ratio is None else f'{ratio:.2f}'}</td>")
        bests = line.ratio_of_bests("vmm")
        out.append(f"<td>{line.target_text()}</td>"
                   f"<td>{'–' if bests is None else f'{bests:.2f}'}</td></tr>")
    return f'<div class="wide"><table>{"".join(out)}</table></div>'


def page(lines, contenders, facts):
    who = "".join(f"<li><b>{html.escape(c.name)}</b>: {html.escape(c.what)}</li>"
                  for c in contenders)
    told = "".join(f"<li>{html.escape(k)}: {html.escape(str(v))}</li>" for k, v in facts.items())
    plots = "".join(plot(line, contenders) for line in lines)
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>vmm and QEMU</title>'
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
            f"<h1>vmm and QEMU side by side</h1><ul>{told}</ul>"
            f"<p>Medians; the best QEMU of each row is marked; <i>best runs</i>: vmm's best to the best "
            f"of all of QEMU's. Who runs:</p><ul>{who}</ul>"
            f"{table(lines, contenders)}"
            f"<h2>All runs</h2><p>Bars are medians, circles the runs.</p>"
            f'<div class="plots">{plots}</div></html>\n')
