export const style = `
:root {
  color-scheme: light dark;
  --ground: #ffffff; --panel: #f6f7f8; --line: #dcdfe3; --text: #1c2024; --quiet: #59616a;
  --accent: #0b5fa5; --alarm: #b3261e; --wait: #7a5200;
  --mono: ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171a; --panel: #1c2024; --line: #343a41; --text: #e4e7ea; --quiet: #a0a9b2;
    --accent: #74b3f0; --alarm: #ff9d94; --wait: #e5b567;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  overflow-wrap: anywhere;
}
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 2px; }
a:hover { text-decoration-thickness: 2px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
main:focus { outline: none; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 8px; top: 8px; padding: 4px 12px; background: var(--ground); }
body > header {
  display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 28px;
  padding: 12px 24px; border-bottom: 1px solid var(--line); background: var(--panel);
}
body > header p { margin: 0; }
.brand a { color: inherit; font-weight: 650; text-decoration: none; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0; padding: 0; list-style: none; }
nav ul a { text-decoration: none; padding: 2px 0; }
nav ul a[aria-current] { color: inherit; font-weight: 600; border-bottom: 2px solid var(--accent); }
.pulse { margin-left: auto !important; color: var(--quiet); font-size: 13px; }
.pulse a { margin-left: 12px; }
.dot { display: inline-block; width: 8px; height: 8px; margin-right: 6px; border-radius: 50%; background: var(--wait); }
.dot.live { background: var(--accent); }
.dot.failed { background: var(--alarm); }
main { max-width: 1080px; margin: 0 auto; padding: 20px 24px 64px; }
h1 { margin: 8px 0 12px; font-size: 22px; font-weight: 650; line-height: 1.3; }
h2 { margin: 0; font-size: 15px; font-weight: 600; }
.name, .number, .clock, code, pre { font-family: var(--mono); font-size: 13px; }
h1.name, h1 .name { font-size: 19px; }
.number { font-variant-numeric: tabular-nums; }
.quiet, .note, .facts, .relatives { color: var(--quiet); }
.note, .relatives, .quiet { font-size: 13.5px; }
.relatives { display: flex; flex-wrap: wrap; gap: 2px 20px; margin: -4px 0 16px; }
.error { color: var(--alarm); }
form { margin: 0 0 12px; }
.search { display: flex; flex-wrap: wrap; align-items: end; gap: 12px 16px; }
.search label { display: grid; gap: 4px; color: var(--quiet); font-size: 13.5px; }
.search label:first-child { flex: 1 1 280px; }
.search .check { display: block; padding-bottom: 7px; }
input[type=search] {
  width: 100%; padding: 6px 10px; border: 1px solid var(--quiet); border-radius: 4px;
  background: var(--ground); color: var(--text); font: 13px/1.5 var(--mono);
}
input[type=checkbox] { accent-color: var(--accent); }
button {
  padding: 6px 14px; border: 1px solid var(--accent); border-radius: 4px;
  background: transparent; color: var(--accent); font: inherit; cursor: pointer;
}
button:hover { background: var(--panel); }
table { width: 100%; border-collapse: collapse; }
th { padding: 6px 16px 6px 0; border-bottom: 1px solid var(--line); color: var(--quiet); font-size: 13px; font-weight: 500; text-align: left; white-space: nowrap; }
td { padding: 6px 16px 6px 0; border-bottom: 1px solid var(--line); vertical-align: baseline; }
th:last-child, td:last-child { padding-right: 0; }
td:first-child { min-width: 150px; }
.wide { min-width: 285px; }
td.error { max-width: 460px; font-size: 13.5px; }
.right { text-align: right; }
time { white-space: nowrap; font-size: 13.5px; }
article { margin: 0 0 20px; padding: 12px 0 0; border-top: 1px solid var(--line); }
article > header { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: 2px 20px; }
article h2 .number { margin-right: 6px; font-size: 15px; }
.facts { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 18px; margin: 0; font-size: 13.5px; }
.link { margin: 6px 0 0; font-size: 13.5px; }
.badge { padding: 0 8px; border: 1px solid currentColor; border-radius: 10px; font-size: 12.5px; line-height: 20px; }
.badge.applied { color: var(--accent); }
.badge.parked { color: var(--alarm); }
.badge.pending { color: var(--wait); }
pre { margin: 8px 0; padding: 10px 12px; border-radius: 4px; background: var(--panel); line-height: 1.45; white-space: pre-wrap; }
details { margin: 4px 0; font-size: 13.5px; }
details[open] { margin-bottom: 10px; }
summary { width: fit-content; color: var(--quiet); cursor: pointer; }
dl { margin: 8px 0; }
dl div { display: flex; gap: 4px 16px; padding: 3px 0; }
dt { flex: 0 0 150px; color: var(--quiet); }
dd { margin: 0; font-family: var(--mono); font-size: 13px; white-space: pre-wrap; }
.panel { display: flex; align-items: center; gap: 16px; margin: 0 0 8px; }
.panel[hidden] { display: none; }
.panel p { margin: 0; min-width: 90px; }
.panel p::before { content: ""; display: inline-block; width: 8px; height: 8px; margin-right: 8px; border-radius: 50%; background: var(--wait); }
.panel[data-state=live] p::before { background: var(--accent); }
.outcome { padding: 8px 12px; border-left: 3px solid var(--accent); background: var(--panel); }
main > h2 { margin: 28px 0 4px; font-size: 17px; }
.data { max-width: 420px; color: var(--quiet); font: 12.5px/1.5 var(--mono); }
.facts-list dd { font: inherit; }
.pager { display: flex; gap: 20px; margin: 0 0 16px; font-size: 14px; }
@media (max-width: 640px) {
  body > header, main { padding-left: 16px; padding-right: 16px; }
  .pulse { margin-left: 0 !important; }
  thead { display: block; position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { display: block; padding: 8px 0; border-bottom: 1px solid var(--line); }
  td, td.error, td.right { display: block; min-width: 0; max-width: none; padding: 0; border: 0; text-align: left; }
  td[data-label]:not(:empty)::before { content: attr(data-label) " "; color: var(--quiet); font: 13px system-ui, sans-serif; }
  dl div { display: block; }
}
`
