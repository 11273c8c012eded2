// Rebuilds the folder that it is given from a log without an end, says so once it is half way, and waits to be killed.
import { usersProjection } from '../../dist/projections/users/projection.js'
import { rebuild } from '../../dist/src/read-model/rebuild.js'

const log = {
  lastPosition: async () => 1_000_000,
  eventAt: async () => undefined,
  async *subscribe() {
    for (let position = 1; ; position++) {
      const email = `user-${position}@x.org`
      const id = position.toString().padStart(26, '0')
      const data = { id, name: 'Somebody', email }
      const event = { id, stream: `user-${email}`, number: 1, position, type: 'UserRegistered', data, metadata: {} }
      yield { events: [{ ...event, created: new Date() }], position, caughtUp: false }
      if (position === 25_000) process.stdout.write('half way\n')
      if (position >= 25_000) await new Promise((resolve) => setTimeout(resolve, 10))
    }
  },
}
await rebuild({ log, dir: process.argv[2], projections: [usersProjection] })
