// Elements made from data. Text goes in as text, never as markup.

/** An HTML element with attributes; a child is an element or text. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for the elements of a drawing. */
export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const COLOURS = 12;

/** Gives each stage of the courses a colour of its own, the same in every table and chart. */
export class Colours {
  constructor(courses) {
    this.places = new Map();
    for (const course of courses) {
      for (const { key } of course.lines) {
        const name = JSON.stringify(key);
        if (!this.places.has(name)) this.places.set(name, this.places.size);
      }
    }
  }

  /** The colour of a stage, by its path; null for one that is in no course. */
  of(key) {
    const place = this.places.get(JSON.stringify(key));
    if (place === undefined) return null;
    if (key[key.length - 1] === "remainder") return "var(--rest)";
    // Steps of the golden angle, so that further ones differ from those around them.
    return place < COLOURS ? `var(--stage-${place})` : `hsl(${(place * 137.5 + 60) % 360} 60% 72%)`;
  }

  /** A small square of that colour. */
  swatch(key) {
    const square = el("span", { class: "swatch", "aria-hidden": "true" });
    square.style.background = this.of(key) ?? "none";
    return square;
  }
}
