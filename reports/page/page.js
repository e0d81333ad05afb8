// The report's behaviour: draws charts as they come into view, sorts tables, filters the ledger. Everything that
// it shows from the log goes through textContent, never through markup.
/* global Chart, chartConfig, csvField, THEMES */

const read = (id) => JSON.parse(document.getElementById(id)?.textContent ?? 'null');
const root = document.documentElement;
const darkness = matchMedia('(prefers-color-scheme: dark)');
let chosen = null;
const isDark = () => (chosen === null ? darkness.matches : chosen === 'dark');

// Charts

const charts = read('chart-data') ?? {};
const drawn = new Map();

function draw(canvas, dark = isDark()) {
  const { spec, small } = charts[canvas.dataset.chart];
  drawn.get(canvas)?.destroy();
  drawn.set(canvas, new Chart(canvas, chartConfig(spec, dark ? THEMES.dark : THEMES.light, { small })));
}

const canvases = [...document.querySelectorAll('canvas[data-chart]')];
const inView = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting && !drawn.has(target)) draw(target);
  },
  { rootMargin: '300px' },
);
for (const canvas of canvases) inView.observe(canvas);

function applyTheme() {
  root.dataset.theme = isDark() ? 'dark' : 'light';
  for (const canvas of drawn.keys()) draw(canvas);
  const button = document.getElementById('theme');
  if (button) button.textContent = isDark() ? 'Light' : 'Dark';
}
darkness.addEventListener('change', applyTheme);
document.getElementById('theme')?.addEventListener('click', () => {
  chosen = isDark() ? 'light' : 'dark';
  applyTheme();
});
applyTheme();

// Paper is white and shows everything that can be folded away on a screen.
addEventListener('beforeprint', () => {
  root.dataset.theme = 'light';
  for (const details of document.querySelectorAll('details')) details.open = true;
  for (const canvas of canvases) draw(canvas, false);
});
addEventListener('afterprint', applyTheme);

// Sortable tables

for (const table of document.querySelectorAll('table[data-sortable]')) {
  const body = table.tBodies[0];
  for (const button of table.querySelectorAll('thead th button'))
    button.addEventListener('click', () => {
      const head = button.closest('th');
      const descending = head.getAttribute('aria-sort') !== 'descending';
      for (const other of head.parentElement.cells) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      const key = (row) => row.cells[head.cellIndex].dataset.value ?? row.cells[head.cellIndex].textContent;
      const compare = (a, b) => {
        const [left, right] = [key(a), key(b)];
        const difference = Number(left) - Number(right);
        return Number.isNaN(difference) ? left.localeCompare(right) : difference;
      };
      const rows = [...body.rows].sort((a, b) => (descending ? compare(b, a) : compare(a, b)));
      body.append(...rows);
    });
}

// The ledger

const ledger = read('ledger-data');
const PAGE = 25;

if (ledger !== null && ledger.rows.length > 0) {
  const element = (id) => document.getElementById(id);
  const selects = ['cell', 'cause', 'version', 'node'].map((name) => [name, element(`filter-${name}`)]);
  const body = element('ledger-table').tBodies[0];
  let page = 0;

  const COLUMN = Object.fromEntries(ledger.columns.map((name, index) => [name, index]));
  const value = (row, name) => {
    const raw = row[COLUMN[name]];
    const words = ledger.words[name];
    return words === undefined ? raw : words[raw];
  };
  const filterValue = { cell: 'cell', cause: 'cause', version: 'versionBefore', node: 'nodeBefore' };
  for (const [name, select] of selects) {
    const values = [...new Set(ledger.rows.map((row) => value(row, filterValue[name])))].sort();
    for (const one of values) select.append(new Option(one === '' ? '(unknown)' : one, one));
    select.addEventListener('change', () => show(0));
  }
  // An empty value is a value; "all" is the option that stands first.
  const chosenRows = () =>
    ledger.rows.filter((row) =>
      selects.every(
        ([name, select]) => select.selectedIndex === 0 || value(row, filterValue[name]) === select.value,
      ),
    );
  const SHOWN = ['client', 'cause', 'showed', 'before', 'after', 'lost', 'detected', 'away', 'attempts'];

  function text(row, name) {
    const place = (pod, version) =>
      value(row, pod) === '' ? '–' : `${value(row, pod)} (${value(row, version)})`;
    switch (name) {
      case 'client':
        return value(row, 'nth') > 1
          ? `${value(row, 'client')}, ${value(row, 'nth')}. time`
          : value(row, 'client');
      case 'cause':
        return value(row, 'inferred') ? `${value(row, 'cause')} (inferred)` : value(row, 'cause');
      case 'before':
        return place('podBefore', 'versionBefore');
      case 'after':
        return place('podAfter', 'versionAfter');
      case 'away':
        return value(row, 'returned') ? `${value(row, 'away')} s` : `> ${value(row, 'away')} s`;
      case 'lost':
      case 'detected':
        return `${value(row, name)} s`;
      default:
        return String(value(row, name));
    }
  }

  function storyRow(row) {
    const line = document.createElement('tr');
    line.className = 'story';
    const cell = line.insertCell();
    cell.colSpan = SHOWN.length;
    const list = document.createElement('ol');
    list.className = 'chain';
    for (const sentence of [...ledger.chains[row[COLUMN.chain]], ...row[COLUMN.story]]) {
      const item = document.createElement('li');
      item.textContent = sentence;
      list.append(item);
    }
    cell.append(list);
    return line;
  }

  function tableRow(row) {
    const line = document.createElement('tr');
    for (const name of SHOWN) {
      const cell = line.insertCell();
      if (name !== 'client') {
        cell.textContent = text(row, name);
        if (['lost', 'detected', 'away', 'attempts'].includes(name)) cell.className = 'number';
        continue;
      }
      const button = document.createElement('button');
      button.className = 'plain';
      button.type = 'button';
      button.textContent = text(row, name);
      button.setAttribute('aria-expanded', 'false');
      button.title = 'What led to it';
      button.addEventListener('click', () => {
        const open = button.getAttribute('aria-expanded') === 'true';
        button.setAttribute('aria-expanded', String(!open));
        if (open) line.nextElementSibling.remove();
        else line.after(storyRow(row));
      });
      cell.append(button);
    }
    return line;
  }

  function show(wanted) {
    const rows = chosenRows();
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    page = Math.min(Math.max(0, wanted), pages - 1);
    body.replaceChildren(...rows.slice(page * PAGE, (page + 1) * PAGE).map(tableRow));
    element('ledger-count').textContent =
      `${rows.length} of ${ledger.rows.length} rows, page ${page + 1} of ${pages}`;
    element('ledger-back').disabled = page === 0;
    element('ledger-next').disabled = page === pages - 1;
  }

  element('ledger-back').addEventListener('click', () => show(page - 1));
  element('ledger-next').addEventListener('click', () => show(page + 1));
  element('ledger-csv').addEventListener('click', () => {
    const names = ledger.columns.filter((name) => name !== 'story' && name !== 'chain');
    const story = (row) => [...ledger.chains[row[COLUMN.chain]], ...row[COLUMN.story]].join(' | ');
    const lines = chosenRows().map((row) =>
      [...names.map((name) => csvField(value(row, name))), csvField(story(row))].join(','),
    );
    const file = new Blob([[[...names, 'story'].join(','), ...lines].join('\r\n')], { type: 'text/csv' });
    const link = document.createElement('a');
    link.href = URL.createObjectURL(file);
    link.download = 'ledger.csv';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
  show(0);
}
