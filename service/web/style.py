"""What the pages add to the style of the house: the bar at the top, rows that become cards on a phone, dark colours."""

STYLE = """
:root { color-scheme: light dark; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 18px; margin: -12px 0 18px; padding-bottom: 10px;
  border-bottom: 1px solid var(--line); font-size: 14px; }
.bar .home { font-weight: 700; color: var(--ink); margin-right: auto; font-size: 16px; }
.bar form { margin: 0; }
button { font: inherit; font-weight: 600; color: var(--paper); background: var(--accent); border: 0; border-radius: 6px;
  padding: 8px 16px; cursor: pointer; min-height: 40px; }
.bar button { font-weight: 400; color: var(--accent); background: none; padding: 0; min-height: 0; }
.bar button:hover { text-decoration: underline; }
a:focus-visible, button:focus-visible, input:focus-visible, .scroll:focus-visible { outline: 2px solid var(--accent);
  outline-offset: 2px; }
.sign { max-width: 30em; }
.sign label { display: block; font-weight: 600; margin-bottom: 4px; }
.sign input[type=password] { width: 100%; font: 15px ui-monospace, monospace; padding: 9px 10px; min-height: 42px;
  border: 1px solid #8a949b; border-radius: 6px; background: var(--paper); color: var(--ink); margin-bottom: 12px; }
.said { border: 1px solid var(--line); border-left: 4px solid var(--accent); border-radius: 6px; padding: 10px 14px;
  background: var(--soft); max-width: 62em; overflow-wrap: anywhere; }
.said p { margin: 4px 0; }
.warned { border-left-color: var(--warn); }
.runs td { padding-top: 10px; padding-bottom: 10px; }
.runs .run { font-weight: 600; overflow-wrap: anywhere; }
.runs .why { min-width: 220px; max-width: 360px; overflow-wrap: anywhere; }
.runs td small { overflow-wrap: anywhere; font-weight: 400; }
.runs .why small { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden;
  margin-top: 3px; }
.runs .n { white-space: nowrap; }
.strip { display: block; width: 130px; height: 10px; border-radius: 3px; margin-top: 4px; }
progress { width: 110px; height: 8px; display: block; margin-top: 5px; accent-color: var(--accent); }
.pages { display: flex; flex-wrap: wrap; gap: 18px; margin: 14px 0; }
.where { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 14px; font-size: 14px; }
.facts dd, h1, .outcome, .say, .lead { overflow-wrap: anywhere; }
.wide { max-width: 640px; }
.wide svg { width: 100%; }
.scroll figure { width: max-content; max-width: none; }
.scroll figure svg { max-width: none; }
@media (max-width: 760px) {
  .bar { gap: 4px 14px; font-size: 13px; }
  .runs thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .runs, .runs tbody, .runs tr, .runs td { display: block; }
  .runs tr { border: 1px solid var(--line); border-radius: 6px; padding: 8px 12px; margin-bottom: 12px; }
  .runs td { border: 0; padding: 3px 0; display: grid; grid-template-columns: 7.2em minmax(0, 1fr); gap: 0 10px; }
  .runs td::before { content: attr(data-label); color: var(--muted); font-size: 12.5px; }
  .runs td.run { display: block; font-size: 16px; }
  .runs td.run::before { display: none; }
  .runs td.n { text-align: left; }
  .runs .why { min-width: 0; max-width: none; }
}
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8eb; --muted: #a3adb5; --line: #39434b; --soft: #1d242a; --accent: #8ab8f5; --warn: #ff8a94;
    --paper: #14191d; }
  th { border-bottom-color: #56626b; }
  figure { --ink: #1f2933; --muted: #5b6770; color: var(--ink); background: #fff; }
  i.key { outline: 1px solid #a3adb5; }
}
@media print { .bar { display: none; } }
"""
