// Tables that sort by a click on a head, page by page.

import { trigger } from './events.js';
import { Chart, FAINT, html } from './draw.js';

const CELL = `padding:3px 5px;border-bottom:1px solid ${FAINT};border-right:1px solid ${FAINT}`;

export class Table extends Chart {
  draw(table, options = {}) {
    this.page = options.startPage || 0;
    this.sorting = { column: options.sortColumn ?? -1, ascending: options.sortAscending ?? true };
    super.draw(table, options);
  }

  redraw() {
    const { table, options } = this;
    const order = this.sorting.column < 0
      ? Array.from({ length: table.getNumberOfRows() }, (_, row) => row)
      : table.getSortedRows({ column: this.sorting.column, desc: !this.sorting.ascending });
    const paged = options.page === 'enable';
    const size = paged ? options.pageSize || 10 : order.length || 1;
    this.pages = Math.max(Math.ceil(order.length / size), 1);
    this.page = Math.min(Math.max(this.page, 0), this.pages - 1);
    const shown = order.slice(this.page * size, (this.page + 1) * size);
    this.body = html('tbody', '', ...shown.map((row) => this.row(row)));
    const sheet = html('table', 'border-collapse:collapse;width:100%', html('thead', '', this.heads()), this.body);
    const scrolling = html('div', 'flex:1;min-height:0;overflow:auto', sheet);
    this.frame = html('div', 'display:flex;flex-direction:column;max-height:100%;'
      + 'font:12px Roboto,"Helvetica Neue",Arial,sans-serif;color:#263238;'
      + `width:${options.width || 'auto'};height:${options.height || 'auto'};box-sizing:border-box`, scrolling);
    this.frame.className = 'rnnprof-table';
    if (this.pages > 1) this.frame.append(this.pager());
    this.container.replaceChildren(this.frame);
    this.showSelection();
  }

  watch() {} // a table takes what width there is

  heads() {
    const heads = html('tr');
    this.table.columns.forEach(({ label, type }, column) => {
      const mark = this.sorting.column === column ? (this.sorting.ascending ? ' ▲' : ' ▼') : '';
      const head = html('th', `${CELL};position:sticky;top:0;background:#eceff1;cursor:pointer;user-select:none;`
        + `text-align:${type === 'number' ? 'right' : 'left'}`, label + mark);
      head.scope = 'col';
      head.addEventListener('click', () => this.sort(column));
      heads.append(head);
    });
    return heads;
  }

  sort(column) {
    const ascending = this.sorting.column === column ? !this.sorting.ascending : true;
    this.sorting = { column, ascending };
    this.page = 0;
    this.redraw();
    trigger(this, 'sort', { column, ascending });
  }

  row(row) {
    const cells = html('tr', row % 2 ? 'background:#fafbfc' : '');
    this.table.columns.forEach(({ type }, column) => {
      const cell = html('td', `${CELL};text-align:${type === 'number' ? 'right' : 'left'}`);
      // Leading spaces show a tree.
      cell.style.whiteSpace = 'pre-wrap';
      cell.style.overflowWrap = 'break-word';
      if (this.options.allowHtml) cell.style.cssText += `;${this.table.getProperty(row, column, 'style') || ''}`;
      cell.append(this.table.getFormattedValue(row, column));
      cells.append(cell);
    });
    cells.dataset.row = row;
    cells.addEventListener('click', () => {
      const chosen = this.selection.some((one) => one.row === row);
      this.select(chosen ? [] : [{ row, column: null }]);
    });
    return cells;
  }

  showSelection() {
    this.body.childNodes.forEach((line) => {
      const chosen = this.selection.some((one) => one.row === Number(line.dataset.row));
      line.style.boxShadow = chosen ? 'inset 3px 0 #3b6fb6' : '';
    });
  }

  pager() {
    const button = (text, title, page) => {
      const node = html('button', 'margin-right:4px;padding:1px 9px', text);
      node.type = 'button';
      node.title = title;
      node.disabled = page < 0 || page >= this.pages;
      node.addEventListener('click', () => {
        this.page = page;
        this.redraw();
        trigger(this, 'page', { page });
      });
      return node;
    };
    return html('div', 'flex:none;padding:5px 8px;border-top:1px solid #cfd8dc;background:#fff',
      button('‹', 'previous page', this.page - 1), button('›', 'next page', this.page + 1),
      html('span', 'margin-left:6px', `${this.page + 1} of ${this.pages}`));
  }
}

export const api = { Table };
