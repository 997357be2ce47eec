"""The page's style sheet: light, sober, one column on a phone, no backgrounds in print.

A page under a strict Content-Security-Policy may carry no style in its elements: what would stand there is a
class, `swatch` of a colour or the `n3` of a grid.
"""

from __future__ import annotations

from service.report.palette import COLOURS


def swatch(colour: str) -> str:
    """The class whose background is one of `palette.COLOURS`."""
    return f"c{colour[1:]}"


_CLASSES = "".join(f"i.{swatch(colour)} {{ background: {colour}; }}\n" for colour in COLOURS)
_CLASSES += "".join(f".n{columns} {{ --n: {columns}; }}\n" for columns in range(1, 5))

STYLE = """
:root { --ink: #1f2933; --muted: #5b6770; --line: #dde2e6; --soft: #f6f8f9; --accent: #084594; --warn: #b00020;
  --paper: #fff; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; color: var(--ink); background: var(--paper); font: 15px/1.55 system-ui, -apple-system, 'Segoe UI',
  'Helvetica Neue', Arial, sans-serif; font-variant-numeric: tabular-nums; }
header, main, footer, nav { max-width: 1080px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 28px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 2px; overflow-wrap: anywhere; }
.kicker { color: var(--muted); font-size: 13px; margin: 0 0 4px; }
.outcome { font-size: 16.5px; max-width: 52em; }
.outcome p { margin: 6px 0; }
h2 { font-size: 19px; margin: 0 0 4px; }
h3 { font-size: 15px; margin: 18px 0 4px; }
.lead { color: var(--muted); margin: 0 0 12px; max-width: 54em; }
td small { display: block; color: var(--muted); font-size: 12px; }
td.w span { white-space: nowrap; }
section { padding: 26px 0 8px; border-top: 1px solid var(--line); margin-top: 22px; scroll-margin-top: 44px; }
section:first-child { border-top: 0; margin-top: 0; }
nav { position: sticky; top: 0; background: var(--paper); z-index: 5; display: flex; flex-wrap: wrap; gap: 4px 18px;
  padding-top: 10px; padding-bottom: 10px; border-bottom: 1px solid var(--line); font-size: 13.5px; }
nav a, a { color: var(--accent); text-decoration: none; }
nav a:hover, a:hover { text-decoration: underline; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px; margin: 18px 0 20px; }
.facts div { border: 1px solid var(--line); border-radius: 6px; padding: 9px 12px; }
.facts dt { color: var(--muted); font-size: 12.5px; margin: 0; }
.facts dd { margin: 1px 0 0; font-size: 18px; font-weight: 600; line-height: 1.3; }
.facts dd small { display: block; font-size: 12.5px; font-weight: 400; color: var(--muted); }
.grid { display: grid; gap: 14px;
  grid-template-columns: repeat(auto-fit, minmax(max(230px, calc(100% / var(--n) - 14px)), 1fr)); }
.beside { display: grid; grid-template-columns: minmax(0, 1.6fr) minmax(250px, 1fr); gap: 10px 26px;
  align-items: start; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 13.5px; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 6px; padding: 10px 10px 4px; min-width: 0;
  break-inside: avoid; }
figure svg { display: block; max-width: 100%; height: auto; }
figcaption { font-weight: 600; font-size: 14px; }
figcaption small { display: block; font-weight: 400; color: var(--muted); font-size: 12.5px; }
.name { white-space: nowrap; }
i.key { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px; }
.chart { width: 100%; }
.scroll { overflow-x: auto; margin: 8px 0 14px; }
.tall { max-height: 620px; overflow-y: auto; border-bottom: 1px solid var(--line); }
.tall th { position: sticky; top: 0; background: var(--paper); }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; font-weight: 600; color: var(--muted); border-bottom: 1.5px solid #b7c0c7; white-space: nowrap; }
th, td { padding: 5px 12px 5px 0; vertical-align: top; }
td { border-bottom: 1px solid var(--line); }
th.n, td.n { text-align: right; white-space: nowrap; }
.reason { font-weight: 600; }
td.w { min-width: 200px; }
.quiet { color: var(--muted); }
.warn { color: var(--warn); font-weight: 600; }
.say { max-width: 54em; margin: 10px 0; }
ul.say { padding-left: 20px; }
details { margin: 10px 0; }
summary { cursor: pointer; color: var(--accent); }
code { font: 12.5px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
footer { color: var(--muted); font-size: 13px; padding-top: 18px; padding-bottom: 40px; margin-top: 26px;
  border-top: 1px solid var(--line); }
@media (max-width: 560px) {
  header, main, footer, nav { padding-left: 14px; padding-right: 14px; }
  body { font-size: 15px; }
  h1 { font-size: 22px; }
  nav { position: static; }
  .facts { grid-template-columns: 1fr 1fr; }
  .beside { grid-template-columns: minmax(0, 1fr); }
  .facts dd { font-size: 16px; }
  figure { padding: 8px 4px 2px; }
  figcaption { padding: 0 4px; }
  table { font-size: 13px; }
}
@media print {
  body { font-size: 11pt; }
  nav { display: none; }
  header, main, footer { max-width: none; padding-left: 0; padding-right: 0; }
  .scroll { overflow: visible; max-height: none; }
  table { font-size: 8.5pt; }
  th, td { padding: 3px 6px 3px 0; white-space: normal !important; }
  td.w { min-width: 0; }
  h2, h3 { break-after: avoid; }
  tr { break-inside: avoid; }
  a { color: inherit; }
}
"""
STYLE += _CLASSES
