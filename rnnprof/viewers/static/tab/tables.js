// Tables of stages and lanes: one run in full, or several with the same stages in the same rows.

import { Colours, el } from "./words.js";

const NONE = new Colours([]);
const BESIDE = ["share", "±", "time", "median"];

/** The breakdown of some runs, given as [{name, data}]. */
export function stages(runs, colours) {
  return table(runs, (data) => data.stages, BESIDE, colours);
}

/** The lanes of some runs. */
export function lanes(runs) {
  return table(runs, (data) => data.lanes, ["time", "share of run", "steps", "mean step"], null);
}

/** Tables, words and numbered lists of one run, from top to bottom. */
export function blocks(found) {
  const shown = found.map((block) => {
    if (block.table) return table([{ data: block.table }], (data) => data, [], null);
    if (block.items) return numbered(block);
    return el("div", { class: "fine" }, ...block.lines.map((line) => el("p", {}, line)));
  });
  return el("div", {}, ...shown);
}

function numbered(block) {
  const items = block.items.map((item) =>
    el("li", {}, el("strong", {}, item.title), ...item.lines.map((line) => el("p", {}, line))),
  );
  return el("div", { class: "numbered" }, el("p", {}, block.sentence), el("ol", {}, ...items));
}

function table(runs, pick, beside, colours) {
  const several = runs.length > 1;
  const columns = runs.map(({ data }) => {
    const all = pick(data)
      .columns.map((column, at) => ({ ...column, at }))
      .slice(1);
    return several ? all.filter((column) => beside.includes(column.title)) : all;
  });
  const first = pick(runs[0].data).columns[0].title;
  const head = el("thead");
  if (several) {
    const names = runs.map(({ name }, at) =>
      el("th", { scope: "colgroup", colspan: columns[at].length, class: "run start" }, name),
    );
    head.append(el("tr", {}, el("td"), ...names));
  }
  const titles = columns.flatMap((some) =>
    some.map((column, at) => el("th", { scope: "col", class: kind(column, at) }, column.title)),
  );
  head.append(el("tr", {}, el("th", { scope: "col", class: "name" }, first), ...titles));
  const out = el("table", { class: several ? "beside" : null }, head);
  for (const section of merged(runs.map(({ data }) => pick(data).sections))) {
    const body = el("tbody");
    if (section.title) {
      const wide = 1 + columns.reduce((sum, some) => sum + some.length, 0);
      body.append(
        el("tr", { class: "section" }, el("th", { scope: "rowgroup", colspan: wide }, section.title)),
      );
    }
    // Only the steps of the main lane are in the charts, so only they have their colours.
    const charted = runs.some(({ data }) => data.main === section.title);
    for (const entry of section.rows) body.append(line(entry, columns, charted ? colours : colours && NONE));
    out.append(body);
  }
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": `table by ${first}` },
    out,
  );
}

function line(entry, columns, colours) {
  const known = entry.rows.find((row) => row);
  const name = el("th", { scope: "row", class: "name" });
  name.style.paddingInlineStart = `${0.6 + known.depth * 1.1}em`;
  if (colours) name.append(colours.swatch(known.key));
  name.append(known.cells[0]);
  const cells = entry.rows.flatMap((row, place) =>
    columns[place].map((column, at) => {
      const cell = el("td", { class: kind(column, at) }, row ? row.cells[column.at] : "");
      if (row && column.title === "share" && row.share !== null) cell.append(bar(row, colours));
      return cell;
    }),
  );
  return el(
    "tr",
    { class: known.quiet ? "quiet" : known.head ? "head" : null, "data-stage": JSON.stringify(known.key) },
    name,
    ...cells,
  );
}

function kind(column, at) {
  return `${column.right ? "right" : ""}${at === 0 ? " start" : ""}${column.title === "share" ? " share" : ""}`;
}

function bar(row, colours) {
  const filled = el("span");
  filled.style.width = `${Math.min(row.share, 1) * 100}%`;
  filled.style.background = (colours && colours.of(row.key)) ?? "var(--stage-0)";
  return el("span", { class: "bar", "aria-hidden": "true" }, filled);
}

/** Sections and rows of all runs in one order: what only a later run has goes after its neighbour. */
function merged(lists) {
  return align(lists, (section) => section.title).map(({ key, found }) => ({
    title: key,
    rows: align(
      found.map((section) => (section ? section.rows : [])),
      (row) => JSON.stringify(row.key),
    ).map((row) => ({ rows: row.found })),
  }));
}

function align(lists, keyOf) {
  const order = [];
  lists.forEach((list, place) => {
    let at = 0;
    for (const item of list) {
      const key = keyOf(item);
      let there = order.findIndex((entry) => entry.key === key && !entry.found[place]);
      if (there < 0) {
        there = at;
        order.splice(there, 0, { key, found: lists.map(() => null) });
      }
      order[there].found[place] = item;
      at = there + 1;
    }
  });
  return order;
}
