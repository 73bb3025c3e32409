#include "panel/style.h"

namespace hato::panel {

const char style_sheet[] = R"(
:root { --ink: #1d2733; --dim: #5b6877; --paper: #f5f6f8; --card: #fff; --line: #dde2e8; --key: #2f6b9a; --key-ink: #fff;
  --good: #e6f4ea; --good-ink: #1d5b32; --bad: #fdeceb; --bad-ink: #8f1d18; --bar: #e4e8ed; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaef; --dim: #9aa6b4; --paper: #14181d; --card: #1d232a; --line: #323b46; --key: #6cb0e0; --key-ink: #0d1a24;
    --good: #16301f; --good-ink: #a5dbb6; --bad: #3a1a19; --bad-ink: #f3b5b1; --bar: #323b46; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "Hiragino Sans", "Noto Sans CJK JP", sans-serif; }
header { display: flex; align-items: center; justify-content: space-between; gap: 1rem; padding: .7rem max(1rem, calc(50vw - 22rem)); background: var(--card); border-bottom: 1px solid var(--line); }
header nav { display: flex; align-items: center; gap: .9rem; font-size: .9rem; color: var(--dim); }
header nav b { color: var(--ink); font-weight: 600; overflow-wrap: anywhere; }
.name { display: flex; align-items: center; gap: .45rem; font-weight: 700; letter-spacing: .02em; white-space: nowrap; }
.name svg { width: 1.5rem; height: 1.5rem; fill: var(--key); }
main { max-width: 44rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.35rem; line-height: 1.3; margin: .8rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 0 0 .6rem; }
a { color: var(--key); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: 1rem; margin: 0 0 1rem; }
.narrow { max-width: 24rem; margin-left: auto; margin-right: auto; }
.notice, .problem { border-radius: .6rem; padding: .7rem .9rem; margin: 0 0 1rem; white-space: pre-line; overflow-wrap: anywhere; }
.notice { background: var(--good); color: var(--good-ink); }
.problem { background: var(--bad); color: var(--bad-ink); }
.hint { color: var(--dim); font-size: .88rem; margin: .2rem 0 .6rem; }
label { display: block; font-weight: 600; margin: .7rem 0 .2rem; }
label.check { display: flex; gap: .55rem; align-items: baseline; font-weight: 400; margin: .35rem 0; }
label.check input { flex: none; width: 1.05rem; height: 1.05rem; accent-color: var(--key); transform: translateY(.12rem); }
input[type=text], input[type=password], input[type=date], textarea { width: 100%; font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: .5rem; padding: .55rem .65rem; }
textarea { resize: vertical; min-height: 5.5rem; }
:focus-visible { outline: 3px solid var(--key); outline-offset: 1px; }
.pair { display: flex; align-items: center; gap: .5rem; flex-wrap: wrap; }
.pair input[type=text] { flex: 1 1 9rem; width: auto; min-width: 0; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: .8rem; }
button, .button { display: inline-block; font: inherit; font-weight: 600; text-decoration: none; cursor: pointer; border: 1px solid var(--key); border-radius: .5rem; padding: .5rem 1.1rem; background: var(--key); color: var(--key-ink); overflow-wrap: anywhere; }
.plain { background: none; color: var(--key); }
.danger { background: none; border-color: var(--bad-ink); color: var(--bad-ink); }
button.link { border: 0; padding: 0; background: none; color: var(--key); font-weight: 400; font-size: inherit; text-decoration: underline; }
.actions { display: flex; gap: .7rem; flex-wrap: wrap; align-items: center; margin-top: 1.1rem; }
.wide { width: 100%; margin-top: 1.1rem; }
fieldset { border: 0; margin: 0; padding: 0; min-width: 0; }
legend { float: left; width: 100%; font-weight: 700; padding: 0; margin-bottom: .3rem; }
legend + * { clear: both; }
.bar { height: .7rem; border-radius: .35rem; background: var(--bar); overflow: hidden; margin: .4rem 0; }
.bar svg { display: block; width: 100%; height: 100%; fill: var(--key); }
.bar.full svg { fill: var(--bad-ink); }
ul.rules { list-style: none; margin: 0; padding: 0; }
ul.rules li { border-top: 1px solid var(--line); padding: .75rem 0; display: flex; gap: 1rem; justify-content: space-between; align-items: flex-start; }
ul.rules li:first-child { border-top: 0; padding-top: 0; }
ul.rules b { overflow-wrap: anywhere; }
ul.rules p { margin: .1rem 0 0; color: var(--dim); font-size: .9rem; overflow-wrap: anywhere; }
ul.rules a { flex: none; }
.tag { display: inline-block; font-size: .78rem; font-weight: 600; border: 1px solid var(--line); border-radius: 1rem; padding: 0 .55rem; margin-right: .3rem; color: var(--ink); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--paper); border-radius: .5rem; padding: .6rem; margin: .3rem 0; font-size: .88rem; }
/* What the choice of what happens leaves out is not shown. */
form:has(#does-refuse:checked) .if-deliver, form:has(#does-discard:checked) .if-deliver { display: none; }
form:has(#does-deliver:checked) .if-refuse, form:has(#does-discard:checked) .if-refuse { display: none; }
form:has(#does-deliver:checked) .if-discard, form:has(#does-refuse:checked) .if-discard { display: none; }
form:has(#vacation):not(:has(#vacation:checked)) .if-vacation { display: none; }
@media (max-width: 30rem) { .two { grid-template-columns: 1fr; gap: 0; } header nav b { display: none; } button, .button { padding: .6rem 1.1rem; } }
)";

const char bird[] =
    "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M22 6.2 19.6 5a3.3 3.3 0 0 0-6.3 1.4c0 1-.3 "
    "1.7-1 2.4"
    "L2 17.6c2.6.7 5.2.6 7.6-.1L7.4 21h2.9l3.3-4.6c3.6-1.3 5.8-4.3 5.9-8.4zM16.6 5.6a.8.8 0 1 1 0 1.6.8.8 0 "
    "0 1 0-1.6z"
    "M2.5 8.1c1.2 2 2.8 3.3 4.9 3.9l2.4-2C7.300 9.900 4.900 9.300 2.500 8.100z\"/></svg>";

}  // namespace hato::panel
