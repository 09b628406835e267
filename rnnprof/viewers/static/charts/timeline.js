// Bars from a start to an end, one row for each label.

import { numberAxis } from './axes.js';
import { Chart, lines, shortened, svg, widthOf } from './draw.js';

export class Timeline extends Chart {
  render() {
    const { table, options } = this;
    const last = table.getNumberOfColumns() - 1;
    const tip = table.columns.findIndex((column) => column.role === 'tooltip');
    const named = last - 1 - (tip < 0 ? 0 : 1) > 1;
    const groups = new Map();
    for (let row = 0; row < table.getNumberOfRows(); row += 1) {
      const label = table.getFormattedValue(row, 0);
      if (!groups.has(label)) groups.set(label, []);
      groups.get(label).push({
        row,
        name: named ? table.getFormattedValue(row, 1) : label,
        from: Number(table.getValue(row, last - 1)),
        to: Number(table.getValue(row, last)),
      });
    }
    const [width, height] = this.body([], 'none');
    const labels = (options.timeline || {}).showRowLabels !== false;
    const left = labels ? Math.min(Math.max(0, ...[...groups.keys()].map(widthOf)) + 16, width / 3) : 8;
    const box = { left, top: 4, width: width - left - 12, height: height - 32 };
    const all = [...groups.values()].flat();
    const start = all.reduce((low, bar) => Math.min(low, bar.from), Infinity);
    const end = all.reduce((high, bar) => Math.max(high, bar.to), -Infinity);
    if (!all.length) return;
    // Times count from the first bar: traces carry those since the machine's start.
    const scale = numberAxis(this, box, [0, Math.max(end - start, 1e-9)]);
    const tall = box.height / groups.size;
    [...groups.entries()].forEach(([label, bars], index) => {
      const y = box.top + tall * index;
      if (labels) {
        this.picture.append(svg('text', {
          x: left - 8, y: y + tall / 2, 'text-anchor': 'end', 'dominant-baseline': 'central',
        }, shortened(label, left - 12)));
      }
      let drawn = -Infinity;
      bars.sort((a, b) => a.from - b.from).forEach((bar) => {
        const [x, until] = [scale(bar.from - start), scale(bar.to - start)];
        // Thousands of bars may share one pixel; one of them stands for all.
        if (until - x < 0.5 && x - drawn < 0.5) return;
        drawn = until;
        this.bar(bar, { x, y: y + 2, width: Math.max(until - x, 0.5), height: Math.max(tall - 4, 1) }, tip);
      });
    });
  }

  bar(bar, place, tip) {
    // The same name has the same colour everywhere.
    const code = [...bar.name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 9973, 7);
    const shape = svg('rect', {
      ...place, fill: this.colour(code), rx: 1, class: 'rnnprof-bar', 'data-name': bar.name,
    });
    this.picture.append(shape);
    this.listen(shape, { row: bar.row, column: null }, () => {
      if (tip >= 0) return this.tip(bar.row, tip);
      return lines(bar.name, `${(bar.to - bar.from).toLocaleString('en-US')} ms`);
    });
    const text = place.width > 24 ? shortened(bar.name, place.width - 8) : '';
    if (text) {
      this.picture.append(svg('text', {
        x: place.x + 4, y: place.y + place.height / 2, fill: '#fff', 'dominant-baseline': 'central',
        'pointer-events': 'none', 'font-size': 11,
      }, text));
    }
  }
}

export const api = { Timeline };
