// The stages over the run: areas upon each other, with a cursor that tells what they are.

import { draw, el } from "./words.js";

const HIGH = 250;
const LEFT = 62;
const RIGHT = 14;
const TOP = 10;
const BOTTOM = 24;

/**
 * A chart of one run's course. `scale` is the course with the highest top, whose axis all share; `wide` is the
 * width in which it is drawn before it is fitted to the page.
 */
export function chart(name, course, scale, colours, wide) {
  const [first, last] = [course.steps[0], course.steps[course.steps.length - 1]];
  const x = (step) => LEFT + ((step - first) / (last - first || 1)) * (wide - LEFT - RIGHT);
  const y = (ns) => HIGH - BOTTOM - (ns / (scale.top || 1)) * (HIGH - TOP - BOTTOM);
  const picture = draw("svg", { viewBox: `0 0 ${wide} ${HIGH}`, class: "chart", "aria-hidden": "true" });
  for (const tick of scale.y_ticks) {
    picture.append(
      draw("line", { class: "grid", x1: LEFT, x2: wide - RIGHT, y1: y(tick.at), y2: y(tick.at) }),
    );
    picture.append(draw("text", { x: LEFT - 6, y: y(tick.at) + 4, "text-anchor": "end" }, tick.words));
  }
  for (const tick of course.x_ticks) {
    picture.append(draw("text", { x: x(tick.at), y: HIGH - 6, "text-anchor": "middle" }, tick.words));
  }
  const areas = stack(course, x, y, colours);
  picture.append(...areas);
  const cursor = draw("line", { class: "cursor", y1: TOP, y2: HIGH - BOTTOM });
  picture.append(cursor);

  const words = el("p", { class: "now" });
  const values = course.lines.map(() => el("span", { class: "value" }));
  const legend = course.lines.map((line, place) =>
    el(
      "li",
      { onpointerenter: () => light(place), onpointerleave: () => light(-1) },
      colours.swatch(line.key),
      el("span", { class: "stage" }, line.name),
      values[place],
    ),
  );
  const light = (place) =>
    areas.forEach((area, at) => area.classList.toggle("dim", place >= 0 && at !== place));
  const slider = el("div", {
    class: "plot",
    role: "slider",
    tabindex: "0",
    "aria-label": `${name}, ${course.title}`,
    "aria-valuemin": first,
    "aria-valuemax": last,
  });
  let at = course.steps.length - 1;
  const show = (place) => {
    at = Math.min(Math.max(place, 0), course.steps.length - 1);
    cursor.setAttribute("x1", x(course.steps[at]));
    cursor.setAttribute("x2", x(course.steps[at]));
    words.textContent = course.words[at];
    course.lines.forEach((line, place) => (values[place].textContent = line.words[at]));
    slider.setAttribute("aria-valuenow", course.steps[at]);
    slider.setAttribute("aria-valuetext", course.words[at]);
  };
  const keys = {
    ArrowLeft: -1,
    ArrowDown: -1,
    ArrowRight: 1,
    ArrowUp: 1,
    PageDown: -10,
    PageUp: 10,
    Home: -1e9,
    End: 1e9,
  };
  slider.addEventListener("keydown", (event) => {
    if (!(event.key in keys)) return;
    event.preventDefault();
    show(at + keys[event.key]);
  });
  slider.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    show(nearest(course.steps, x, ((event.clientX - box.left) / box.width) * wide));
  });
  slider.style.minWidth = `${wide * 0.66}px`; // What is narrower scrolls, so that its numbers stay readable.
  slider.append(picture);
  show(at);
  return el(
    "div",
    { class: "course" },
    el("div", { class: "scroll" }, slider),
    words,
    el("ul", { class: "legend" }, ...legend),
  );
}

function stack(course, x, y, colours) {
  let floor = course.steps.map(() => 0);
  return course.lines.map((line) => {
    const roof = floor.map((low, at) => low + line.own[at]);
    const up = roof.map((ns, at) => `${x(course.steps[at]).toFixed(1)},${y(ns).toFixed(1)}`);
    const down = floor.map((ns, at) => `${x(course.steps[at]).toFixed(1)},${y(ns).toFixed(1)}`).reverse();
    floor = roof;
    const area = draw(
      "polygon",
      { class: "area", points: [...up, ...down].join(" ") },
      draw("title", {}, line.name),
    );
    area.style.fill = colours.of(line.key);
    return area;
  });
}

function nearest(steps, x, place) {
  let best = 0;
  steps.forEach((step, at) => {
    if (Math.abs(x(step) - place) < Math.abs(x(steps[best]) - place)) best = at;
  });
  return best;
}
