import { StoreUnavailable } from './event-store.ts'

/**
 * What the call gives, within so many milliseconds. The call itself goes on; what becomes of it is not known.
 *
 * @throws {StoreUnavailable} with the outcome `unknown`, where it takes longer; and what the call throws.
 */
export async function within<T>(milliseconds: number, call: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const overdue = () => reject(new StoreUnavailable(`no answer within ${Math.round(milliseconds)} ms`, 'unknown'))
    timer = setTimeout(overdue, milliseconds)
  })
  try {
    return await Promise.race([call, late])
  } finally {
    clearTimeout(timer)
  }
}
