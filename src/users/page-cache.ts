import type { UserDirectory, UserQueries } from './user-directory.ts'

/** Bytes that are kept at most, as names may be long. About 800 pages of 50 users. */
const maxBytes = 8 * 1024 * 1024

/**
 * Keeps what was rendered for as long as the read model stays in the state that it shows: between two events, a page
 * that many clients ask for is read and rendered once.
 */
export function pageCache<Page extends { readonly body: Uint8Array }>(queries: UserQueries) {
  const pages = new Map<string, Page>()
  let bytes = 0
  // A rebuilt read model may be at the same position and yet differ: it comes with another directory.
  let shown: { readonly directory: UserDirectory; readonly position: number } | undefined

  return (key: string, read: (users: UserDirectory) => Page): { readonly page: Page; readonly position: number } => {
    const { value: directory, position } = queries.query((users) => users)
    if (shown?.directory !== directory || shown.position !== position) {
      pages.clear()
      bytes = 0
      shown = { directory, position }
    }
    const known = pages.get(key)
    if (known) return { page: known, position }

    const { value: page, position: positionOfPage } = queries.query(read)
    if (positionOfPage === position && bytes + page.body.length <= maxBytes) {
      pages.set(key, page)
      bytes += page.body.length
    }
    return { page, position: positionOfPage }
  }
}
