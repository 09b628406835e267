// Axes: round ticks, scales, and the frame with grid lines that lines and bars are drawn into.

import { FAINT, INK, shortened, svg, widthOf } from './draw.js';

// Round numbers (1, 2 or 5 times a power of ten) that cover a range.
export function ticks(low, high, about) {
  if (!(high > low)) return [low];
  const raw = (high - low) / Math.max(about, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999) || 10);
  const found = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index += 1) {
    found.push(index * step + 0); // so that no zero is negative
  }
  return found;
}

export function tickText(value, all) {
  const step = all.length > 1 ? Math.abs(all[1] - all[0]) : Math.abs(value) || 1;
  const digits = Math.min(Math.max(-Math.floor(Math.log10(step) + 1e-9), 0), 12);
  return value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits });
}

// From 0 (or what is lower) to a round number that is no lower than what is shown.
export function valueRange(values, axis = {}) {
  // Also what is asked for may be no number: the page takes the maximum of a column with its name.
  const known = [...values, axis.minValue, axis.maxValue].filter((value) => Number.isFinite(value));
  const low = known.reduce((least, value) => Math.min(least, value), 0);
  const high = known.reduce((most, value) => Math.max(most, value), low + 1e-9);
  const marks = ticks(low, high, 5);
  const step = marks.length > 1 ? marks[1] - marks[0] : high;
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
}

function share(given, whole, otherwise) {
  if (given === undefined) return otherwise;
  return String(given).endsWith('%') ? (Number.parseFloat(given) / 100) * whole : Number(given);
}

// Draws value axes (one, or one on each side) and gives the area inside, with its scales.
export function valueFrame(chart, [width, height], ranges) {
  const { options, picture } = chart;
  const axes = options.vAxes || [options.vAxis || {}];
  const marks = ranges.map(([low, high]) => ticks(low, high, Math.max(2, Math.min(6, height / 40))));
  const texts = marks.map((all) => all.map((value) => tickText(value, all)));
  const room = texts.map((all) => Math.max(...all.map(widthOf)) + 12);
  const titled = (axes[0] || {}).title ? 20 : 0;
  const area = options.chartArea || {};
  const left = Math.max(share(area.left, width, 0), room[0] + titled + 4);
  const right = Math.min(
    area.width === undefined ? width : left + share(area.width, width, width),
    width - (ranges.length > 1 ? room[1] + 4 : 14),
  );
  const top = 12;
  const bottom = height - ((options.hAxis || {}).title ? 44 : 26);
  const box = { left, top, width: Math.max(right - left, 20), height: Math.max(bottom - top, 20) };
  const scales = ranges.map(([low, high]) => (
    (value) => box.top + box.height * (1 - (value - low) / (high - low || 1))));
  ranges.forEach((_, side) => marks[side].forEach((value, index) => {
    const y = scales[side](value);
    if (side === 0) {
      picture.append(svg('line', {
        x1: box.left, x2: box.left + box.width, y1: y, y2: y, stroke: value === 0 ? '#90a4ae' : FAINT,
      }));
    }
    const x = side === 0 ? box.left - 7 : box.left + box.width + 7;
    picture.append(svg('text', {
      x, y, fill: INK, 'text-anchor': side === 0 ? 'end' : 'start', 'dominant-baseline': 'central',
    }, texts[side][index]));
  }));
  if (titled) {
    const [x, y] = [12, box.top + box.height / 2];
    picture.append(svg('text', {
      x, y, transform: `rotate(-90 ${x} ${y})`, 'text-anchor': 'middle', fill: INK, 'font-style': 'italic',
    }, axes[0].title));
  }
  if ((options.hAxis || {}).title) {
    picture.append(svg('text', {
      x: box.left + box.width / 2, y: height - 8, 'text-anchor': 'middle', fill: INK, 'font-style': 'italic',
    }, options.hAxis.title));
  }
  return { box, scales };
}

// The names of categories below their bands; where they do not all fit, every second, third, …
export function categoryAxis(chart, box, names) {
  const band = box.width / Math.max(names.length, 1);
  const needed = Math.min(Math.max(0, ...names.map(widthOf)) + 10, 120);
  const every = Math.max(1, Math.ceil(needed / band));
  names.forEach((name, index) => {
    if (index % every) return;
    chart.picture.append(svg('text', {
      x: box.left + band * (index + 0.5), y: box.top + box.height + 17, 'text-anchor': 'middle', fill: INK,
    }, shortened(name, band * every - 4)));
  });
  return band;
}

// Numbers below the area; gives the scale.
export function numberAxis(chart, box, [low, high]) {
  const scale = (value) => box.left + (box.width * (value - low)) / (high - low || 1);
  const all = ticks(low, high, Math.max(2, Math.floor(box.width / 90)));
  all.forEach((value) => {
    const x = scale(value);
    chart.picture.append(
      svg('line', { x1: x, x2: x, y1: box.top, y2: box.top + box.height, stroke: FAINT }),
      svg('text', { x, y: box.top + box.height + 17, 'text-anchor': 'middle', fill: INK }, tickText(value, all)),
    );
  });
  return scale;
}
