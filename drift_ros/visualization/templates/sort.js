// A click on the head of a sortable table's column orders its rows.
for (const head of document.querySelectorAll('.sortable th')) {
  head.addEventListener('click', () => {
    const table = head.closest('table'), body = table.tBodies[0], column = head.cellIndex;
    const up = head.getAttribute('aria-sort') === 'descending';
    for (const other of table.querySelectorAll('th')) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const key = row => {
      const text = row.cells[column].textContent.trim(), number = parseFloat(text);
      return Number.isNaN(number) ? text : number;
    };
    const compare = (a, b) => typeof a === 'number' && typeof b === 'number'
      ? a - b : typeof a === typeof b ? a.localeCompare(b) : typeof a === 'number' ? 1 : -1;
    const rows = [...body.rows].sort((a, b) => compare(key(a), key(b)));
    body.append(...(up ? rows : rows.reverse()));
  });
}
