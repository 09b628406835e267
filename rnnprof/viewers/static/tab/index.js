// The tab: which runs are shown, and the sections that show them.

import { chart } from "./chart.js";
import { followTheme, onReload } from "./host.js";
import { blocks, lanes, stages } from "./tables.js";
import { Colours, el } from "./words.js";

const MOST = 4; // Runs that are shown before anyone has chosen.

const state = { runs: [], note: "", chosen: null, by: "step", data: new Map(), turn: 0 };
const page = {};

/** TensorBoard calls this once. */
export async function render() {
  document.documentElement.lang = "en";
  document.title = "rnnprof";
  const style = el("link", { rel: "stylesheet", href: address("tab.css") });
  page.runs = el("fieldset", { class: "runs" });
  page.by = el(
    "fieldset",
    { class: "by" },
    el("legend", {}, "100 % is"),
    ...["step", "run"].map(choiceOfBasis),
  );
  page.message = el("div", { class: "message", role: "status" }, "Loading…");
  page.main = el("main");
  const reload = el("button", { type: "button", onclick: () => load(true) }, "Reload");
  document.head.append(style);
  document.body.append(el("header", {}, page.runs, page.by, reload), page.message, page.main);
  followTheme();
  await load(true);
  onReload(() => load(false));
}

function address(name, asked = {}) {
  const found = new URL(name, import.meta.url);
  for (const [key, value] of Object.entries(asked)) found.searchParams.set(key, value);
  return found.href;
}

async function ask(name, asked) {
  const answer = await fetch(address(name, asked));
  return answer.json();
}

function choiceOfBasis(by) {
  const box = el("input", { type: "radio", name: "by", value: by, checked: by === state.by });
  box.addEventListener("change", () => {
    state.by = by;
    show();
  });
  return el("label", {}, box, by === "step" ? "a step" : "the run");
}

/** Asks which runs there are; draws anew if one has changed, or in any case. */
async function load(always) {
  let answer;
  try {
    answer = await ask("runs");
  } catch {
    page.message.textContent = "TensorBoard does not answer.";
    return;
  }
  const same = JSON.stringify(answer) === JSON.stringify({ runs: state.runs, note: state.note });
  if (same && !always) return;
  if (!same) state.data.clear();
  state.runs = answer.runs;
  state.note = answer.note;
  const names = answer.runs.filter((run) => !run.error).map((run) => run.run);
  // Once somebody has chosen, new runs wait until they are chosen too.
  if (!state.touched) state.chosen = new Set(names.slice(0, MOST));
  choices();
  await show();
}

function choices() {
  const ordered = [...state.runs.filter((run) => !run.error), ...state.runs.filter((run) => run.error)];
  const boxes = ordered.map((run) => {
    const box = el("input", { type: "checkbox", value: run.run, disabled: Boolean(run.error) });
    box.checked = state.chosen.has(run.run);
    box.addEventListener("change", () => {
      state.touched = true;
      state.chosen[box.checked ? "add" : "delete"](run.run);
      show();
    });
    const about =
      run.error ||
      [run.created, run.rank, run.ended === "finished" ? "" : run.ended].filter(Boolean).join(", ");
    return el(
      "label",
      { class: run.error ? "broken" : null },
      box,
      el("span", { class: "run" }, run.run),
      el("span", { class: "about" }, about),
    );
  });
  page.runs.replaceChildren(el("legend", {}, "Runs"), ...boxes);
}

async function show() {
  const turn = ++state.turn;
  const { by } = state;
  const runs = state.runs.filter((run) => state.chosen.has(run.run) && !run.error);
  const found = await Promise.all(runs.map((run) => content(run, by)));
  if (turn !== state.turn) return; // Something else was chosen meanwhile.
  const good = found.filter(({ data }) => !data.error);
  const bad = found.filter(({ data }) => data.error).map(({ name, data }) => `${name}: ${data.error}`);
  const empty =
    state.runs.length === 0 ? "No run of rnnprof lies in the log directory yet." : "Choose a run.";
  page.message.replaceChildren(
    ...[state.note, ...bad, good.length ? "" : empty].filter(Boolean).map((line) => el("p", {}, line)),
  );
  page.main.replaceChildren(...(good.length ? sections(good, by) : []));
  page.main.dataset.shown = JSON.stringify({ by, runs: good.map(({ name }) => name) });
}

async function content(run, by) {
  const key = JSON.stringify([run.run, run.state, by]);
  if (!state.data.has(key)) {
    try {
      state.data.set(key, await ask("run", { run: run.run, by }));
    } catch {
      return { name: run.run, run, data: { error: "TensorBoard does not answer." } };
    }
  }
  return { name: run.run, run, data: state.data.get(key) };
}

function sections(runs, by) {
  const courses = runs.filter(({ data }) => data.course);
  const colours = new Colours(courses.map(({ data }) => data.course));
  const table = stages(runs, colours);
  const scale = courses.map(({ data }) => data.course).reduce((a, b) => (a && a.top >= b.top ? a : b), null);
  const traced = runs.filter(({ data }) => data.traces.length);
  const counted = runs.filter(({ data }) => data.functions.length);
  const advised = runs.filter(({ data }) => data.advice.length);
  return [
    section(
      "Breakdown",
      columns(runs, (run) => about(run)),
      table,
      ...runs[0].data.legend.map((line) => el("p", { class: "fine" }, line)),
    ),
    advised.length &&
      section(
        "What to change",
        columns(advised, (run) => blocks(run.data.advice)),
      ),
    courses.length &&
      section(
        "Over the run",
        el("p", { class: "fine" }, courses[0].data.course.title),
        columns(courses, (run) =>
          chart(run.name, run.data.course, scale, colours, courses.length > 1 ? 680 : 980),
        ),
      ),
    section(
      "Flowchart",
      columns(runs, (run) => picture(run, by)),
    ),
    section("Lanes", lanes(runs)),
    section(
      "Notes",
      columns(runs, (run) => el("ul", {}, ...run.data.notes.map((line) => el("li", {}, line)))),
    ),
    traced.length &&
      section(
        "Traces",
        columns(traced, (run) => el("div", {}, ...run.data.traces.map(blocks))),
      ),
    counted.length &&
      section(
        "Functions",
        columns(counted, (run) => blocks(run.data.functions)),
      ),
  ].filter(Boolean);
}

function section(title, ...parts) {
  return el("section", { "aria-label": title }, el("h2", {}, title), ...parts);
}

/** One part for each run, side by side; their names above them where there are several. */
function columns(runs, part) {
  const several = runs.length > 1;
  const parts = runs.map((run) =>
    el("div", { class: "column", "data-run": run.name }, several ? el("h3", {}, run.name) : null, part(run)),
  );
  return el("div", { class: several ? "columns several" : "columns" }, ...parts);
}

function about({ data }) {
  const [command, machine] = data.heading;
  return el(
    "div",
    { class: "heading" },
    el("code", {}, command),
    el("p", {}, machine),
    ...data.steps.map((line) => el("p", {}, line)),
  );
}

function picture({ name, run }, by) {
  const source = address("flowchart", { run: name, by, state: run.state });
  const image = el("img", { src: source, alt: `Flowchart of ${name}; the table has the same numbers` });
  return el("a", { href: source, target: "_blank", rel: "noopener", class: "flowchart" }, image);
}
