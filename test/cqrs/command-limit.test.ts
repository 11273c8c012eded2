import { describe, expect, it } from 'vitest'
import { type Admission, commandLimit, Overloaded } from '../../src/cqrs/command-limit.ts'

describe('a limit of commands', () => {
  it('gives what an admitted command gives, be it a result or an error', async () => {
    const admit = commandLimit({ most: 1 })
    expect(await admit(async () => 'done')).toBe('done')
    await expect(admit(() => Promise.reject(new Error('refused')))).rejects.toThrow('refused')
  })

  it('refuses soon what is one too many, and does not begin it; and the next at once', async () => {
    const admit = commandLimit({ most: 2 })
    const running = [aCommand(admit), aCommand(admit)]
    let hasBegun = false
    const started = performance.now()
    const refused = admit(async () => {
      hasBegun = true
    })
    await expect(refused).rejects.toThrow(Overloaded)
    await expect(refused).rejects.toMatchObject({ most: 2, outcome: 'not-appended' })
    expect(performance.now() - started).toBeLessThan(500)
    expect(hasBegun).toBe(false)
    const next = performance.now()
    await expect(admit(async () => 'refused')).rejects.toThrow(Overloaded)
    expect(performance.now() - next).toBeLessThan(200)
    for (const command of running) command.end()
  })

  it.each(['ended', 'failed'] as const)('admits the next as soon as one has %s', async (how) => {
    const admit = commandLimit({ most: 1 })
    const first = aCommand(admit)
    await expect(admit(async () => 'refused')).rejects.toThrow(Overloaded)
    if (how === 'ended') first.end()
    else first.fail()
    await first.settled
    expect(await admit(async () => 'admitted')).toBe('admitted')
  })

  it('refuses no more than one a millisecond, in the order in which they came', async () => {
    const admit = commandLimit({ most: 1 })
    const running = aCommand(admit)
    const order: number[] = []
    const started = performance.now()
    const refusals = Array.from({ length: 30 }, (_, index) =>
      admit(async () => 'admitted').catch(() => order.push(index)),
    )
    await Promise.all(refusals)
    expect(performance.now() - started).toBeGreaterThan(25)
    expect(order).toEqual([...order.keys()])
    running.end()
  })

  it('lets a burst pass, and never gives more places than there are', async () => {
    const admit = commandLimit({ most: 3 })
    let running = 0
    let most = 0
    const command = () =>
      admit(async () => {
        most = Math.max(most, ++running)
        await new Promise(setImmediate)
        running--
        return 'admitted'
      })
    const outcomes = await Promise.allSettled(Array.from({ length: 200 }, command))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(200)
    expect(most).toBe(3)
    expect(running).toBe(0)
    expect(await Promise.all([command(), command(), command()])).toEqual(['admitted', 'admitted', 'admitted'])
  })

  it('tells of refusals with the first, and not of each', async () => {
    const told: number[] = []
    const admit = commandLimit({ most: 1, onRefused: (refused) => told.push(refused) })
    const running = aCommand(admit)
    for (let times = 0; times < 5; times++) await expect(admit(async () => 'refused')).rejects.toThrow()
    expect(told).toEqual([1])
    running.end()
  })
})

/** A command that runs until it is told to end. */
function aCommand(admit: Admission) {
  let end = () => {}
  let fail = () => {}
  const settled = admit(
    () =>
      new Promise<void>((resolve, reject) => {
        end = resolve
        fail = () => reject(new Error('failed'))
      }),
  ).catch(() => undefined)
  return { end: () => end(), fail: () => fail(), settled }
}
