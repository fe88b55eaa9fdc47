"""What all pages of the board look like: one style, light and dark, wide and narrow, without scripts."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --paper: #fcfbf8; --card: #ffffff; --ink: #1d2126; --soft: #5c636b; --line: #e1ded6;
  --pass: #23815f; --departs: #c98a12; --unexplained: #b8276b; --unsupported: #cfcdc6; --link: #1f5fa8;
  --ink-departs: #8a5a00; --defect: #b8276b; --hover: #f3f0e8; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181b; --card: #1c2024; --ink: #e6e4df; --soft: #a2a8ae;
  --line: #30353a; --pass: #4fb58d; --departs: #e0a83c; --unexplained: #ea6da4; --unsupported: #4a5056; --link:
  #8ab8f0;
  --ink-departs: #e9bd66; --defect: #f083b3; --hover: #252a2f; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: var(--paper);
  margin: 0 auto; padding: 1.6rem clamp(.9rem, 3vw, 2.4rem) 4rem; max-width: 92rem; }
a { color: var(--link); text-decoration-thickness: .06em; text-underline-offset: .15em; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem; } h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0; } p { margin: .4rem 0; max-width: 52rem; } .soft { color: var(--soft); }
small, .small { font-size: .84rem; } code, pre { font: .86em/1.5 ui-monospace, "Cascadia Mono", Menlo, monospace; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .8rem;
  overflow-x: auto; } code { overflow-wrap: anywhere; }
.key { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; padding: 0; margin: .8rem 0; list-style: none; }
.mark { font-weight: 700; font-variant-numeric: tabular-nums; white-space: nowrap; }
.mark.pass { color: var(--pass); } .mark.departs { color: var(--ink-departs); }
.mark.unexplained { color: var(--unexplained); } .mark.unsupported { color: var(--soft); font-weight: 400; }
.filter { border: 0; padding: 0; margin: 1rem 0 .6rem; display: flex; flex-wrap: wrap; gap: .4rem 1rem; }
.filter legend { float: left; padding: 0; margin-right: .2rem; color: var(--soft); }
.filter label { display: flex; gap: .35rem; align-items: center; cursor: pointer; }
body:has(#float64:checked) .only-float32, body:has(#float32:checked) .only-float64 { display: none; }
.who { min-width: 19rem; line-height: 1.75; }
.plain { border: 0 !important; border-radius: 0; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { padding: .5rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
tr:last-child > * { border-bottom: 0; } thead th { font-weight: 600; color: var(--soft); font-size: .82rem;
  white-space: nowrap; vertical-align: bottom; }
.board th[scope=row] { position: sticky; left: 0; background: var(--card); min-width: 11rem; z-index: 1;
  font-weight: 400; box-shadow: 1px 0 var(--line); }
.board thead th { white-space: normal; line-height: 1.25; } .board th[scope=row] a { font-weight: 650; font-size:
  1rem; } .board td { min-width: 5.4rem; padding: 0; }
.board td > a, .board td > span { display: block; padding: .55rem .6rem; color: inherit; text-decoration: none; }
.board td > a:hover, .board td > a:focus { background: var(--hover); }
.bar { display: flex; height: .5rem; gap: 1px; border-radius: .2rem; overflow: hidden; margin-bottom: .3rem; }
.bar i { min-width: 3px; } .bar .pass { background: var(--pass); } .bar .departs { background: var(--departs); }
.bar .unexplained { background: var(--unexplained); } .bar .unsupported { background: var(--unsupported); }
.tally { display: flex; flex-wrap: wrap; gap: 0 .55rem; font-size: .84rem; line-height: 1.35; }
.kind { display: inline-block; border: 1px solid currentColor; border-radius: 1rem; padding: 0 .55rem; font-size:
  .78rem;
  line-height: 1.5; white-space: nowrap; color: var(--soft); }
.kind.defect { color: var(--defect); } .kind.alternative { color: var(--ink-departs); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)); gap: .9rem; }
.card { border: 1px solid var(--line); border-left: .3rem solid var(--departs); border-radius: .5rem; padding: .8rem
  1rem;
  background: var(--card); } .card.defect { border-left-color: var(--defect); }
.card.open { border-left-color: var(--unsupported); } .card:target { outline: 2px solid var(--link); }
.card header { display: flex; flex-wrap: wrap; gap: .3rem .7rem; align-items: baseline; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .9rem; margin: .5rem 0 0; font-size: .88rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
details { border: 1px solid var(--line); border-radius: .5rem; background: var(--card); margin: .5rem 0; }
details details { border: 0; border-top: 1px solid var(--line); border-radius: 0; margin: 0; }
summary { cursor: pointer; padding: .55rem .9rem; } summary .tally { display: inline-flex; margin-left: .6rem; }
summary:hover { background: var(--hover); } .in { scroll-margin-top: 4rem; }
.in table td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; } .in td code { overflow-wrap: normal;
  white-space: nowrap; }
ul.ids { margin: 0; padding: .2rem .9rem .8rem 2.2rem; columns: 22rem; font-size: .84rem; }
ul.ids li { overflow-wrap: anywhere; } .reasons { padding: .3rem .9rem .8rem 2.2rem; margin: 0; font-size: .9rem; }
@media (max-width: 40rem) { body { font-size: 15px; } .board th[scope=row] { min-width: 8.5rem; max-width: 9rem; }
  th, td { padding: .45rem .5rem; } dl { grid-template-columns: 1fr; } dd { margin-bottom: .3rem; } }
@media print { body { max-width: none; } .filter { display: none; } details > * { display: block; } }
"""
