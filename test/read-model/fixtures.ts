import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import pino from 'pino'
import { ulid } from 'ulid'
import { onTestFinished, vi } from 'vitest'
import { usersProjection } from '../../projections/users/projection.ts'
import { prepareUserDirectory, type UserDirectory } from '../../projections/users/queries.ts'
import type { RecordedEvent } from '../../src/cqrs/event.ts'
import { Generations } from '../../src/read-model/generations.ts'
import { ReadModel, type ReadModelOptions } from '../../src/read-model/read-model.ts'

const logger = pino({ level: 'silent' })

/** A folder that goes with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rollbook-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A registration as the store gives it back. The email is the id of the stream. */
export function registered(position: number, email: string, changes: Partial<RecordedEvent> = {}): RecordedEvent {
  return {
    id: randomUUID(),
    stream: `user-${email.toLowerCase()}`,
    number: 1,
    position,
    type: 'UserRegistered',
    data: { id: ulid(), name: `Name of ${email}`, email },
    metadata: {},
    created: new Date('2026-01-02T03:04:05.678Z'),
    ...changes,
  }
}

/** Name of the file that queries are answered from. */
export const liveFile = (dir: string): string => basename(new Generations(dir).current() ?? '')

/** An event of a type that is handled, with data that it cannot have. */
export function poison(position: number, email: string, number = 1): RecordedEvent {
  return registered(position, email, { number, data: { id: 'no ULID' } })
}

/** A read model of users that is closed with the test. */
export function startReadModel(
  options: Pick<ReadModelOptions<UserDirectory>, 'dir' | 'log'> & Partial<ReadModelOptions<UserDirectory>>,
): ReadModel<UserDirectory> {
  const readModel = new ReadModel({
    ...{ projections: [usersProjection], queries: prepareUserDirectory, logger },
    ...options,
  })
  onTestFinished(() => readModel.close())
  return readModel
}

export function emails(readModel: ReadModel<UserDirectory>): string[] {
  return readModel.query((users) => users.page({ limit: 200 })).value.users.map(({ email }) => email)
}

export function total(readModel: ReadModel<UserDirectory>): number {
  return readModel.query((users) => users.total()).value
}

export const eventually = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 10_000, interval: 10 })
