/**
 * Text in the form in which it is searched: two texts that differ only in case, or in how their characters are
 * composed, are the same. Upper case last, because lower case would tell a final sigma from another one.
 */
export function foldCase(text: string): string {
  return text.normalize('NFC').toLowerCase().toUpperCase().normalize('NFC')
}

/** FTS5 query for a substring, or undefined where the trigram index cannot hold it. */
export function searchExpression(q: string): string | undefined {
  const folded = foldCase(q)
  // FTS5 reads its query up to the first NUL.
  if (folded.includes('\0') || [...folded].length < 3) return undefined
  return `"${folded.replaceAll('"', '""')}"`
}
