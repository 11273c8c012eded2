import { z } from 'zod'
import { problemSchema } from './openapi.ts'
import type { Operation } from './operation.ts'

const link = z.object({ href: z.string(), templated: z.literal(true).optional() })

const health = z
  .object({
    ready: z.boolean().meta({ description: 'Whether traffic should be sent here.' }),
    eventStore: z.object({ connected: z.boolean() }),
    readModel: z.object({
      state: z.string(),
      position: z.int().meta({ description: 'Position of the log that the read model reflects.' }),
      lag: z.int().nullable().meta({ description: 'Events received and not applied; null while the log is replayed.' }),
      millisecondsWithoutProgress: z.number(),
      parked: z.int().meta({ description: 'Events that could not be applied and were set aside.' }),
      error: z.string().optional(),
    }),
    reactions: z.array(
      z.object({
        ...{ name: z.string(), state: z.string(), position: z.int(), lag: z.int().nullable() },
        ...{ retrying: z.int(), parked: z.int(), error: z.string().optional() },
      }),
    ),
  })
  .meta({ id: 'Health' })

const healthy = {
  ready: true,
  eventStore: { connected: true },
  readModel: { state: 'live', position: 42, lag: 0, millisecondsWithoutProgress: 0, parked: 0 },
  reactions: [],
}

const tag = { name: 'Service', description: 'The service itself.' }

/** What the API reference says of the routes that are no module's. */
export const appReference: readonly Operation[] = [
  {
    method: 'get',
    path: '/',
    isQuery: false,
    id: 'root',
    tag,
    summary: 'Find everything else',
    answers: {
      200: {
        description: 'Links to all that there is.',
        mediaType: 'application/hal+json',
        schema: z.object({ _links: z.record(z.string(), link) }),
        example: { _links: { self: { href: '/' }, users: { href: '/users{?limit,cursor,email,q}', templated: true } } },
      },
    },
    problems: [],
  },
  {
    method: 'get',
    path: '/problems/{slug}',
    isQuery: false,
    id: 'describeProblem',
    tag,
    summary: 'Look a type of problem up',
    pathParameters: z.object({ slug: z.string().meta({ examples: ['validation'] }) }),
    answers: {
      200: {
        description: 'What the type stands for.',
        mediaType: 'application/hal+json',
        schema: problemSchema
          .pick({ type: true, title: true, status: true })
          .extend({ _links: z.object({ self: link }) }),
        example: {
          _links: { self: { href: '/problems/validation' } },
          ...{ type: '/problems/validation', title: 'Validation failed', status: 422 },
        },
      },
    },
    problems: ['not-found'],
  },
  {
    method: 'get',
    path: '/health/live',
    isQuery: false,
    id: 'isLive',
    tag,
    summary: 'Ask whether the process answers',
    answers: {
      200: {
        description: 'It does.',
        mediaType: 'application/json',
        schema: z.object({ live: z.literal(true) }),
        example: { live: true },
      },
    },
    problems: [],
  },
  {
    method: 'get',
    path: '/health/ready',
    isQuery: false,
    id: 'isReady',
    tag,
    summary: 'Ask whether it can do its work',
    answers: {
      200: { description: 'It can.', mediaType: 'application/json', schema: health, example: healthy },
      503: {
        description: 'It cannot.',
        mediaType: 'application/json',
        schema: health,
        example: { ...healthy, ready: false, eventStore: { connected: false } },
      },
    },
    problems: [],
  },
  {
    method: 'get',
    path: '/metrics',
    isQuery: false,
    id: 'metrics',
    tag,
    summary: 'Get the figures of the service',
    description: 'For a Prometheus server. They tell nothing of single users, but how much the service is used.',
    answers: {
      200: {
        description: 'In the text format of Prometheus.',
        mediaType: 'text/plain',
        schema: z.string(),
        example:
          '# HELP rollbook_ready Whether the service can do its work: 1 or 0.\n# TYPE rollbook_ready gauge\nrollbook_ready 1\n',
      },
    },
    problems: [],
  },
]
