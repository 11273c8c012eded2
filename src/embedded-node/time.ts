/** Microseconds since the Unix epoch, to the millisecond; a safe integer until the year 2255. */
export const nowMicros = (): number => Date.now() * 1000
