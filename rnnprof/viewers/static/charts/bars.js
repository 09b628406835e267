// What stands on named categories: columns, stepped areas, and columns with lines.

import { categoryAxis, valueFrame, valueRange } from './axes.js';
import { seriesOf } from './data.js';
import { Chart, lines, svg } from './draw.js';

class CategoryChart extends Chart {
  static kind = 'bars';

  render() {
    const { table, options } = this;
    const series = seriesOf(table).map((one, index) => {
      const given = (options.series || {})[index] || {};
      const kind = given.type || options.seriesType || this.constructor.kind;
      return { ...one, index, kind, side: given.targetAxisIndex || 0 };
    });
    const rows = Array.from({ length: table.getNumberOfRows() }, (_, row) => row);
    const legend = (options.legend || {}).position || 'right';
    const space = this.body(series.map((one) => one.label), legend);
    const stacked = Boolean(options.isStacked);
    const sides = series.some((one) => one.side === 1) ? [0, 1] : [0];
    const ranges = sides.map((side) => {
      const here = series.filter((one) => one.side === side);
      const value = (row, one) => Number(table.getValue(row, one.column)) || 0;
      const tops = rows.flatMap((row) => (stacked
        ? [here.reduce((sum, one) => sum + value(row, one), 0)]
        : here.map((one) => value(row, one))));
      return valueRange(tops, (options.vAxes || { 0: options.vAxis })[side]);
    });
    const { box, scales } = valueFrame(this, space, ranges);
    const band = categoryAxis(this, box, rows.map((row) => table.getFormattedValue(row, 0)));
    const columns = stacked ? 1 : series.filter((one) => one.kind === 'bars').length;
    rows.forEach((row) => {
      let [base, place] = [0, 0];
      series.filter((one) => one.kind !== 'line').forEach((one) => {
        const value = Number(table.getValue(row, one.column)) || 0;
        const [y0, y1] = [scales[one.side](stacked ? base : 0), scales[one.side]((stacked ? base : 0) + value)];
        // Bars leave gaps; steps touch, and only the top of one that is not stacked shows.
        const room = one.kind === 'bars' ? Math.min(band * 0.62, 90 * columns) : band;
        const width = one.kind === 'bars' ? room / columns : room;
        const x = box.left + band * (row + 0.5) - room / 2 + width * place;
        this.mark(one, row, { x, y: Math.min(y0, y1), width, height: Math.abs(y0 - y1) });
        base += value;
        if (!stacked && one.kind === 'bars') place += 1;
      });
    });
    series.filter((one) => one.kind === 'line').forEach((one) => {
      const points = rows.map((row) => [
        box.left + band * (row + 0.5), scales[one.side](Number(table.getValue(row, one.column)) || 0)]);
      this.picture.append(svg('polyline', {
        points: points.join(' '), fill: 'none', stroke: this.colour(one.index), 'stroke-width': 2,
      }));
      points.forEach(([cx, cy], row) => {
        const dot = svg('circle', { cx, cy, r: 4, fill: this.colour(one.index), class: 'rnnprof-point' });
        this.picture.append(dot);
        this.listen(dot, { row, column: one.column }, () => this.words(one, row));
      });
    });
  }

  mark(one, row, place) {
    const opacity = one.kind === 'bars' ? 1 : this.options.areaOpacity ?? 0.3;
    const shape = svg('rect', {
      ...place, fill: this.colour(one.index), 'fill-opacity': opacity, class: 'rnnprof-bar',
    });
    this.picture.append(shape);
    if (one.kind !== 'bars' && place.height > 0) {
      this.picture.append(svg('line', {
        x1: place.x, x2: place.x + place.width, y1: place.y, y2: place.y, stroke: this.colour(one.index),
        'stroke-width': 2,
      }));
    }
    this.listen(shape, { row, column: one.column }, () => this.words(one, row));
  }

  words(one, row) {
    if (one.tooltip !== null) return this.tip(row, one.tooltip);
    return lines(
      this.table.getFormattedValue(row, 0),
      `${one.label}: ${this.table.getFormattedValue(row, one.column)}`,
    );
  }
}

export class ColumnChart extends CategoryChart {}
export class ComboChart extends CategoryChart {}
export class SteppedAreaChart extends CategoryChart {
  static kind = 'steppedArea';
}

export const api = { ColumnChart, ComboChart, SteppedAreaChart };
