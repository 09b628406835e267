// Tables of data. A cell is a value, or {v: value, f: how to write it, p: properties}.

const ROLES = ['tooltip', 'style', 'annotation', 'certainty', 'interval', 'emphasis', 'scope'];

function cellOf(given) {
  const whole = given !== null && typeof given === 'object' && !(given instanceof Date);
  const cell = whole ? { v: given.v, f: given.f, p: { ...given.p } } : { v: given, p: {} };
  return { ...cell, v: cell.v === undefined ? null : cell.v };
}

export function written(value) {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return value.toLocaleString('en-US', { maximumFractionDigits: 3 });
  if (typeof value === 'boolean') return value ? '✔' : '✗';
  return String(value);
}

export class DataTable {
  constructor() {
    this.columns = [];
    this.rows = [];
  }

  addColumn(first, label, id) {
    const given = typeof first === 'object' ? first : { type: first, label, id };
    this.columns.push({ ...given, label: given.label || '', p: { ...given.p } });
    return this.columns.length - 1;
  }

  addRow(cells = []) {
    if (cells.length > this.columns.length) {
      throw new Error(`Row given with size different than ${this.columns.length}`);
    }
    this.rows.push(this.columns.map((_, column) => cellOf(cells[column])));
    return this.rows.length - 1;
  }

  addRows(given) {
    const rows = typeof given === 'number' ? Array.from({ length: given }, () => []) : given;
    rows.forEach((cells) => this.addRow(cells));
    return this.rows.length - 1;
  }

  getNumberOfColumns() { return this.columns.length; }
  getNumberOfRows() { return this.rows.length; }
  getColumnLabel(column) { return this.columns[column].label; }
  getColumnType(column) { return this.columns[column].type; }
  getColumnRole(column) { return this.columns[column].role || ''; }
  getColumnProperty(column, name) { return this.columns[column].p[name] ?? null; }
  getValue(row, column) { return this.rows[row][column].v; }
  getFormattedValue(row, column) {
    const cell = this.rows[row][column];
    return cell.f !== undefined && cell.f !== null ? String(cell.f) : written(cell.v);
  }
  setValue(row, column, value) { this.rows[row][column] = { v: value, p: {} }; }
  setProperty(row, column, name, value) { this.rows[row][column].p[name] = value; }
  getProperty(row, column, name) { return this.rows[row][column].p[name] ?? null; }

  // Indices of the rows in the order of a column; rows without a value come first, as null does.
  getSortedRows(sorting) {
    const { column, desc } = typeof sorting === 'object' ? sorting : { column: sorting, desc: false };
    const order = this.rows.map((_, row) => row);
    const sign = desc ? -1 : 1;
    return order.sort((a, b) => sign * compared(this.getValue(a, column), this.getValue(b, column)));
  }
}

function compared(a, b) {
  if (a === b) return 0;
  if (a === null) return -1;
  if (b === null) return 1;
  return a < b ? -1 : 1;
}

function arrayToDataTable(rows, noHeads = false) {
  const table = new DataTable();
  const heads = noHeads ? rows[0].map(() => '') : rows[0];
  const body = noHeads ? rows : rows.slice(1);
  heads.forEach((head, column) => {
    if (head !== null && typeof head === 'object') {
      table.addColumn({ type: 'string', ...head });
      return;
    }
    const row = body.find((cells) => cellOf(cells[column]).v !== null);
    const value = row ? cellOf(row[column]).v : null;
    table.addColumn(value === null ? 'string' : typeof value, String(head));
  });
  table.addRows(body);
  return table;
}

// The columns that are drawn: each number's column, with the column of its tooltips, if it has one.
export function seriesOf(table) {
  const series = [];
  for (let column = 1; column < table.getNumberOfColumns(); column += 1) {
    const role = table.getColumnRole(column);
    if (role === 'tooltip' && series.length) series[series.length - 1].tooltip = column;
    if (!ROLES.includes(role)) series.push({ column, label: table.getColumnLabel(column), tooltip: null });
  }
  return series;
}

export const api = { DataTable, arrayToDataTable };
