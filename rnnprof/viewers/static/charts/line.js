// Lines over a number, which can be zoomed: drag to zoom in, click with the right button to reset.

import { numberAxis, valueFrame, valueRange } from './axes.js';
import { seriesOf } from './data.js';
import { Chart, lines, svg } from './draw.js';

let charts = 0;

export class LineChart extends Chart {
  constructor(container) {
    super(container);
    this.zoom = null;
    charts += 1;
    this.name = `rnnprof-area-${charts}`;
  }

  draw(table, options) {
    this.zoom = null;
    super.draw(table, options);
  }

  render() {
    const { table, options } = this;
    this.series = seriesOf(table).map((one, index) => ({ ...one, index }));
    const rows = Array.from({ length: table.getNumberOfRows() }, (_, row) => row);
    const space = this.body(this.series.map((one) => one.label), (options.legend || {}).position || 'right');
    const values = rows.flatMap((row) => this.series.map((one) => table.getValue(row, one.column)));
    const { box, scales } = valueFrame(this, space, [valueRange(values, options.vAxis)]);
    // A column of names is drawn at 0, 1, 2, …
    this.along = (row) => (table.getColumnType(0) === 'number' ? table.getValue(row, 0) : row);
    const places = rows.map(this.along);
    this.range = this.zoom || [Math.min(...places, Infinity), Math.max(...places, -Infinity)];
    if (!Number.isFinite(this.range[0])) this.range = [0, 1];
    [this.box, this.y] = [box, scales[0]];
    this.x = numberAxis(this, box, this.range);
    const clip = svg('clipPath', { id: this.name }, svg('rect', {
      x: box.left, y: box.top - 4, width: box.width, height: box.height + 8,
    }));
    this.inside = svg('g', { 'clip-path': `url(#${this.name})` });
    this.picture.append(clip, this.inside);
    this.series.forEach((one) => {
      const drawn = rows.filter((row) => table.getValue(row, one.column) !== null);
      this.inside.append(svg('polyline', {
        points: drawn.map((row) => [this.x(this.along(row)), this.y(table.getValue(row, one.column))]).join(' '),
        fill: 'none', stroke: this.colour(one.index), 'stroke-width': 2, 'stroke-linejoin': 'round',
        class: 'rnnprof-line',
      }));
    });
    this.follow();
  }

  // The pointer over the area: the nearest point, and zooming.
  follow() {
    const { box } = this;
    const cover = svg('rect', { x: box.left, y: box.top, width: box.width, height: box.height, fill: 'transparent' });
    const band = svg('rect', { y: box.top, height: box.height, width: 0, fill: '#3b6fb6', 'fill-opacity': 0.2 });
    this.picture.append(band, cover);
    const actions = (this.options.explorer || {}).actions || [];
    let from = null;
    const place = (event) => {
      const x = event.clientX - this.picture.getBoundingClientRect().left;
      return Math.min(Math.max(x, box.left), box.left + box.width);
    };
    cover.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      from = place(event);
      cover.setPointerCapture(event.pointerId);
    });
    cover.addEventListener('pointermove', (event) => {
      const x = place(event);
      if (from === null) {
        this.point(event);
      } else if (actions.includes('dragToZoom')) {
        band.setAttribute('x', Math.min(from, x));
        band.setAttribute('width', Math.abs(x - from));
      }
    });
    cover.addEventListener('pointerup', (event) => {
      if (from === null) return;
      const ends = [from, place(event)].sort((a, b) => a - b);
      from = null;
      if (ends[1] - ends[0] < 4) {
        this.select(this.near ? [this.near] : []);
      } else if (actions.includes('dragToZoom')) {
        this.zoomTo(ends.map((x) => this.valueAt(x)));
      }
    });
    cover.addEventListener('pointerleave', () => this.showSelection());
    cover.addEventListener('contextmenu', (event) => {
      if (!actions.includes('rightClickToReset')) return;
      event.preventDefault();
      this.zoomTo(null);
    });
  }

  zoomTo(range) {
    this.zoom = range;
    this.redraw();
  }

  point(event) {
    const frame = this.picture.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    let [best, found] = [24 ** 2, null];
    for (let row = 0; row < this.table.getNumberOfRows(); row += 1) {
      this.series.forEach((one) => {
        const value = this.table.getValue(row, one.column);
        const far = value === null ? Infinity : (this.x(this.along(row)) - x) ** 2 + (this.y(value) - y) ** 2;
        if (far < best) [best, found] = [far, { row, column: one.column }];
      });
    }
    this.near = found;
    this.mark(found ? [found] : this.selection);
  }

  showSelection() {
    this.near = null;
    this.mark(this.selection);
  }

  // Dots on chosen points; the tooltip is that of the last one.
  mark(chosen) {
    this.hideTooltip();
    this.picture.querySelectorAll('.rnnprof-point').forEach((dot) => dot.remove());
    chosen.filter(({ row }) => row < this.table.getNumberOfRows()).forEach(({ row, column }) => {
      const one = this.series.find((candidate) => candidate.column === column) || this.series[0];
      const [cx, cy] = [this.x(this.along(row)), this.y(this.table.getValue(row, one.column))];
      this.inside.append(svg('circle', {
        cx, cy, r: 5, fill: this.colour(one.index), stroke: '#fff', 'stroke-width': 2, class: 'rnnprof-point',
      }));
      const [frame, picture] = [this.frame.getBoundingClientRect(), this.picture.getBoundingClientRect()];
      this.showTooltip(this.words(one, row), cx + picture.left - frame.left, cy + picture.top - frame.top);
    });
  }

  words(one, row) {
    if (one.tooltip !== null) return this.tip(row, one.tooltip);
    return lines(
      this.table.getFormattedValue(row, 0),
      `${one.label}: ${this.table.getFormattedValue(row, one.column)}`,
    );
  }

  valueAt(x) {
    return this.range[0] + ((x - this.box.left) / this.box.width) * (this.range[1] - this.range[0]);
  }

  getChartLayoutInterface() {
    return {
      getChartAreaBoundingBox: () => ({ ...this.box }),
      getHAxisValue: (x) => this.valueAt(x),
      getXLocation: (value) => this.x(value),
      getYLocation: (value) => this.y(value),
    };
  }
}

export const api = { LineChart };
