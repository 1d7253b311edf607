/** Sorts tables when a head is pressed: numbers as numbers, what is missing last. */
export const sortScript = `for (const table of document.querySelectorAll('table.sorts')) {
  const heads = [...table.querySelectorAll('th')]
  heads.forEach((head, column) => {
    head.querySelector('button').addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') === 'ascending'
      for (const other of heads) other.removeAttribute('aria-sort')
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending')
      const body = table.tBodies[0]
      const key = (row) => row.cells[column].dataset.sort
      const compare = (a, b) => {
        if (a === '' || b === '') return (a === '') - (b === '')
        const order = isNaN(a) || isNaN(b) ? a.localeCompare(b, 'en', { numeric: true }) : a - b
        return down ? -order : order
      }
      body.append(...[...body.rows].sort((a, b) => compare(key(a), key(b))))
    })
  })
}`
