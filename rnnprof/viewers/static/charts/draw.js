// What all charts share: SVG, colours, the frame with title and legend, tooltips, selection.
// Data goes into text nodes and never into HTML.

import { trigger } from './events.js';

export const COLOURS = [
  '#3b6fb6', '#e08a2e', '#2e8b57', '#8e5ea2', '#00838f', '#c2578a', '#6b8e23', '#a0522d',
  '#5c6b8a', '#b8860b', '#4682b4', '#d1495b', '#7b5d3f', '#4f9d8a', '#77518f', '#90793f',
];
export const INK = '#37474f';
export const FAINT = '#e3e7ea';
const FONT = '12px Roboto, "Helvetica Neue", Arial, sans-serif';

export function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
  node.append(...children);
  return node;
}

export function html(name, style = '', ...children) {
  const node = document.createElement(name);
  node.style.cssText = style;
  node.append(...children);
  return node;
}

const pen = document.createElement('canvas').getContext('2d');

export function widthOf(text) {
  pen.font = FONT;
  return pen.measureText(text).width;
}

export function shortened(text, width) {
  if (widthOf(text) <= width) return text;
  let kept = text;
  while (kept && widthOf(`${kept}…`) > width) kept = kept.slice(0, -1);
  return kept ? `${kept}…` : '';
}

// Words, line breaks and bold type of a piece of HTML; the parser's document runs and loads nothing.
export function wordsOf(markup) {
  const words = document.createDocumentFragment();
  const walk = (node, bold) => node.childNodes.forEach((child) => {
    if (child.nodeType === Node.TEXT_NODE) {
      words.append(bold ? html('b', '', child.data) : child.data);
    } else if (child.nodeName === 'BR') {
      words.append(html('br'));
    } else if (!['SCRIPT', 'STYLE'].includes(child.nodeName)) {
      walk(child, bold || child.nodeName === 'B');
    }
  });
  walk(new DOMParser().parseFromString(markup, 'text/html').body, false);
  return words;
}

export function lines(...given) {
  const words = document.createDocumentFragment();
  given.forEach((line, index) => words.append(index ? html('br') : '', html(index ? 'span' : 'b', '', line)));
  return words;
}

export class Chart {
  constructor(container) {
    this.container = container;
    this.selection = [];
    this.colours = COLOURS;
  }

  draw(table, options = {}) {
    this.table = table;
    this.options = options;
    this.colours = options.colors || COLOURS;
    this.selection = [];
    this.redraw();
    trigger(this, 'ready');
    this.watch();
  }

  // Draw again when the page gives another width, as it does when a scroll bar appears.
  watch() {
    if (this.watcher) this.watcher.disconnect();
    this.watcher = new ResizeObserver(() => {
      const width = this.container.clientWidth;
      if (!this.frame || !width || Math.abs(width - this.drawnIn) < 2) return;
      this.redraw();
    });
    this.watcher.observe(this.container);
  }

  redraw() {
    const wanted = Number.parseFloat(this.options.width);
    this.drawnIn = this.container.clientWidth;
    this.width = (String(this.options.width).endsWith('%') ? 0 : wanted) || this.container.clientWidth || 400;
    this.height = Number.parseFloat(this.options.height) || this.container.clientHeight || 200;
    this.frame = html('div', `position:relative;width:${this.width}px;height:${this.height}px;font:${FONT};`
      + `color:${INK};display:flex;flex-direction:column`);
    this.frame.className = 'rnnprof-chart';
    this.container.replaceChildren(this.frame);
    if (this.options.title) {
      this.frame.append(html('div', 'font-weight:bold;padding:6px 8px 2px;text-align:center', this.options.title));
    }
    this.render();
    this.showSelection();
  }

  clearChart() {
    if (this.watcher) this.watcher.disconnect();
    this.container.replaceChildren();
    this.frame = null;
  }

  colour(index) { return this.colours[index % this.colours.length]; }

  getSelection() { return this.selection; }

  setSelection(selection = []) {
    this.selection = selection || [];
    if (this.frame) this.showSelection();
  }

  select(selection) {
    this.setSelection(selection);
    trigger(this, 'select');
  }

  showSelection() {}

  // A legend beside or below the picture, and the space that is left: [width, height].
  body(labels, position = 'right') {
    const below = position === 'bottom' || position === 'top';
    const row = html('div', `flex:1;min-height:0;display:flex;flex-direction:${below ? 'column' : 'row'}`);
    const picture = html('div', 'flex:1;min-width:0;min-height:0;overflow:hidden');
    row.append(picture);
    if (position !== 'none' && labels.length) {
      const shape = below
        ? 'display:flex;flex-wrap:wrap;justify-content:center;gap:2px 16px;padding:4px 8px;max-height:30%'
        : 'align-self:center;max-height:100%;max-width:48%;padding:4px 8px;box-sizing:border-box';
      const legend = html('div', `${shape};overflow:auto`);
      legend.className = 'rnnprof-legend';
      labels.forEach((label, index) => {
        const dot = html('span', 'flex:none;width:10px;height:10px;border-radius:50%;margin-right:6px;'
          + `background:${this.colour(index)}`);
        const words = html('span', 'overflow:hidden;text-overflow:ellipsis;white-space:nowrap', label);
        const entry = html('div', 'display:flex;align-items:center;line-height:19px;min-width:0', dot, words);
        entry.title = label;
        legend.append(entry);
      });
      row.append(legend);
    }
    this.frame.append(row);
    const space = [Math.max(picture.clientWidth, 60), Math.max(picture.clientHeight, 60)];
    this.picture = svg('svg', { width: space[0], height: space[1], style: 'display:block' });
    picture.append(this.picture);
    return space;
  }

  // Beside a point of the frame, in its pixels.
  showTooltip(words, x, y) {
    this.hideTooltip();
    const box = html('div', 'position:absolute;z-index:9;background:#fff;border:1px solid #cfd8dc;padding:5px 9px;'
      + 'border-radius:3px;box-shadow:0 1px 4px rgba(0,0,0,.25);pointer-events:none;white-space:nowrap;'
      + 'line-height:17px', words);
    box.className = 'google-visualization-tooltip';
    this.frame.append(box);
    this.tooltip = box;
    const left = x + 14 + box.offsetWidth > this.width ? x - box.offsetWidth - 14 : x + 14;
    box.style.left = `${Math.max(left, 0)}px`;
    box.style.top = `${Math.min(Math.max(y - box.offsetHeight / 2, 0), this.height - box.offsetHeight)}px`;
  }

  // The words of a tooltip's column; they are HTML only where the column says so.
  tip(row, column) {
    const words = this.table.getFormattedValue(row, column);
    return this.table.getColumnProperty(column, 'html') ? wordsOf(words) : html('span', '', words);
  }

  hideTooltip() {
    if (this.tooltip) this.tooltip.remove();
    this.tooltip = null;
  }

  // Say so when the pointer is over a mark, and show its tooltip unless that waits for a selection.
  listen(mark, about, words) {
    const waits = (this.options.tooltip || {}).trigger === 'selection';
    mark.addEventListener('mouseover', (event) => {
      const box = this.frame.getBoundingClientRect();
      if (!waits) this.showTooltip(words(), event.clientX - box.left, event.clientY - box.top);
      trigger(this, 'onmouseover', about);
    });
    mark.addEventListener('mouseout', () => {
      if (!waits) this.hideTooltip();
      trigger(this, 'onmouseout', about);
    });
    mark.addEventListener('click', () => this.select([about]));
  }
}
