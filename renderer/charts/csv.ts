/** A small table as CSV (RFC 4180). Texts may be strangers', so none can pass for a spreadsheet's formula. */
export function csvBlob(rows: readonly (readonly (string | number | boolean | null)[])[]): Blob {
  const lines = rows.map((row) => `${row.map(cell).join(',')}\r\n`)
  return new Blob(lines, { type: 'text/csv;charset=utf-8' })
}

function cell(value: string | number | boolean | null): string {
  if (typeof value !== 'string') return value === null ? '' : String(value)
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
