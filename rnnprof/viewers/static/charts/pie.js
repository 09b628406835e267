// Pies, with or without a hole.

import { seriesOf } from './data.js';
import { Chart, lines, svg, widthOf } from './draw.js';

export class PieChart extends Chart {
  render() {
    const { table, options } = this;
    const legend = typeof options.legend === 'object' ? options.legend.position : options.legend;
    const rows = Array.from({ length: table.getNumberOfRows() }, (_, row) => row);
    const [width, height] = this.body(rows.map((row) => table.getFormattedValue(row, 0)), legend || 'right');
    const values = rows.map((row) => Math.max(Number(table.getValue(row, 1)) || 0, 0));
    const total = values.reduce((sum, value) => sum + value, 0);
    this.radius = Math.max(Math.min(width, height) / 2 - 12, 10);
    this.centre = [width / 2, height / 2];
    this.slices = [];
    let turn = 0;
    rows.forEach((row) => {
      const share = total ? values[row] / total : 0;
      const slice = { row, share, from: turn, to: turn + share, percent: `${(100 * share).toFixed(1)}%` };
      turn = slice.to;
      this.slices.push(slice);
      if (share > 0) this.slice(slice);
    });
  }

  point(turn, radius) {
    const angle = 2 * Math.PI * turn;
    return [this.centre[0] + radius * Math.sin(angle), this.centre[1] - radius * Math.cos(angle)];
  }

  slice(slice) {
    const hole = this.radius * (this.options.pieHole || 0);
    const shape = svg('path', {
      d: this.outline(slice, hole), fill: this.colour(slice.row), stroke: '#fff', class: 'rnnprof-slice',
      'fill-rule': 'evenodd',
    });
    this.picture.append(shape);
    slice.shape = shape;
    this.listen(shape, { row: slice.row }, () => this.words(slice));
    const middle = (hole + this.radius) / 2;
    // A label needs as much room along the ring as across it.
    const room = Math.min(slice.share * 2 * Math.PI * middle, this.radius - hole);
    if ((this.options.pieSliceText || 'percentage') !== 'none' && room > widthOf(slice.percent)) {
      const [x, y] = this.point((slice.from + slice.to) / 2, hole ? middle : this.radius * 0.65);
      this.picture.append(svg('text', {
        x, y, fill: '#fff', 'text-anchor': 'middle', 'dominant-baseline': 'central', 'pointer-events': 'none',
        'font-size': 11,
      }, slice.percent));
    }
  }

  outline({ from, to, share }, hole) {
    const { radius, centre: [x, y] } = this;
    if (share > 0.9999) {
      const ring = (r) => `M ${x} ${y - r} A ${r} ${r} 0 1 1 ${x} ${y + r} A ${r} ${r} 0 1 1 ${x} ${y - r} Z`;
      return ring(radius) + (hole ? ring(hole) : '');
    }
    const wide = share > 0.5 ? 1 : 0;
    const [a, b] = [this.point(from, radius), this.point(to, radius)];
    const [c, d] = [this.point(to, hole), this.point(from, hole)];
    return `M ${a} A ${radius} ${radius} 0 ${wide} 1 ${b} L ${c} A ${hole} ${hole} 0 ${wide} 0 ${d} Z`;
  }

  words(slice) {
    const tip = seriesOf(this.table)[0];
    if (tip && tip.tooltip !== null) return this.tip(slice.row, tip.tooltip);
    const value = this.table.getFormattedValue(slice.row, 1);
    const what = { value, percentage: slice.percent }[(this.options.tooltip || {}).text] || `${value} (${slice.percent})`;
    return lines(this.table.getFormattedValue(slice.row, 0), what);
  }

  showSelection() {
    this.hideTooltip();
    this.slices.filter(({ shape }) => shape).forEach(({ shape, row }) => {
      shape.style.filter = this.selection.some((chosen) => chosen.row === row) ? 'brightness(1.15)' : '';
    });
    const chosen = this.slices[(this.selection[0] || {}).row];
    if (!chosen || (this.options.tooltip || {}).trigger === 'none') return;
    const [x, y] = this.point((chosen.from + chosen.to) / 2, this.radius);
    const [frame, picture] = [this.frame.getBoundingClientRect(), this.picture.getBoundingClientRect()];
    this.showTooltip(this.words(chosen), x + picture.left - frame.left, y + picture.top - frame.top);
  }
}

export const api = { PieChart };
