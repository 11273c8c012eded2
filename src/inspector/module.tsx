import { type Context, Hono } from 'hono'
import type { Child } from 'hono/jsx'
import { StoreUnavailable } from '../cqrs/event-store.ts'
import { type ExploredEvent, NotReadable, type StoreExplorer, type StreamPlace } from '../cqrs/store-explorer.ts'
import { type Audience, admit, FormGuard, InspectorForbidden } from './access.ts'
import { findStreams, isSystemStream } from './find-streams.ts'
import { GroupsPage } from './groups-page.tsx'
import { Layout } from './layout.tsx'
import { LiveFeed, type TooManyViewers } from './live-feed.ts'
import { liveResponse } from './live-response.ts'
import { liveScript } from './live-script.ts'
import { LogPage, readLog } from './log-page.tsx'
import {
  type BadParameters,
  eventQuery,
  logQuery,
  parametersOf,
  readModelQuery,
  streamQuery,
  streamsQuery,
} from './parameters.ts'
import { href, paths } from './paths.ts'
import type { InspectedFile, InspectedReadModel, Landing, RouteVariables } from './ports.ts'
import { PARKED_LIMIT, ReadModelPage } from './read-model-page.tsx'
import { EventPage, readPage, StreamPage } from './stream-page.tsx'
import { StreamsPage } from './streams-page.tsx'
import { style } from './style.ts'
import { type Trouble, TroublePage, troubleOf } from './trouble-page.tsx'

export interface InspectorOptions {
  readonly store: StoreExplorer
  readonly readModel: InspectedReadModel
  readonly audience: Audience
  /** Ends the live views. */
  readonly stopping: AbortSignal
}

type Section = Parameters<typeof Layout>[0]['section']
type Page = { readonly title: string; readonly content: Child; readonly hasScript?: boolean }

/** Pages for people who look into the store and the read model. They are no part of the API. */
export function inspectorModule({ store, readModel, audience, stopping }: InspectorOptions) {
  const guard = new FormGuard()
  const feed = new LiveFeed(store, stopping)
  const admitted = (c: Context) => admit((name) => c.req.header(name), audience)
  /** A page, or one that says why there is none. */
  const page = (section: Section, make: (c: Context) => Promise<Page>) => async (c: Context) => {
    admitted(c)
    const show = ({ title, content, hasScript = false }: Page, status: 200 | Trouble['status'] = 200) =>
      c.html(
        <Layout {...{ title, section, hasScript, readModel: readModel.status() }}>{content}</Layout>,
        status,
        status === 503 ? { ...pageHeaders, 'Retry-After': '2' } : pageHeaders,
      )
    try {
      return show(await make(c))
    } catch (error) {
      const trouble = troubleOf(error)
      const { pathname, search } = new URL(c.req.url)
      const content = <TroublePage {...trouble} here={pathname + search} />
      return show({ title: trouble.title, content }, trouble.status)
    }
  }
  const asset = (type: string, text: string) => (c: Context) => {
    admitted(c)
    return c.body(text, 200, { ...safe, 'Content-Type': type, 'Cache-Control': 'no-cache' })
  }

  /** All of a page in one look, so that it is of one state. Undefined where there is nothing to look at. */
  function look<T>(read: (file: InspectedFile) => T): T | undefined {
    try {
      return readModel.look(read)
    } catch (error) {
      if (error instanceof Error && error.name === 'ReadModelNotReady') return undefined
      throw error
    }
  }
  const landingsOf = (events: readonly ExploredEvent[]): readonly (Landing | undefined)[] =>
    look((file) => events.map(({ event }) => event && file.landing(event))) ?? []

  const routes = new Hono<{ Variables: RouteVariables }>()
    .get(
      paths.streams,
      page('streams', async (c) => {
        const { q, system } = parametersOf(c, streamsQuery)
        const found = await findStreams(store, { q, system: system || (q?.startsWith('$') ?? false) })
        return { title: q ?? 'Streams', content: <StreamsPage {...{ found, q, system }} /> }
      }),
    )
    .get(
      paths.stream,
      page('streams', async (c) => {
        const { name, before, after } = parametersOf(c, streamQuery)
        const from: StreamPlace = before !== undefined ? { before } : after !== undefined ? { after } : 'newest'
        const content = await readPage(store, name, from)
        const landings = landingsOf(content.events)
        return { title: name, content: <StreamPage {...{ stream: name, from, content, landings }} /> }
      }),
    )
    .get(
      paths.event,
      page('streams', async (c) => {
        const { stream, number } = parametersOf(c, eventQuery)
        const [found = { event: undefined, link: undefined }] = (
          await store.streamPage(stream, { after: number - 1 }, 1)
        ).filter(({ event, link }) => (link ?? event)?.number === number)
        const [landing] = landingsOf([found])
        return { title: `${stream} ${number}`, content: <EventPage {...{ ...found, stream, number, landing }} /> }
      }),
    )
    .get(
      paths.log,
      page('log', async (c) => {
        const { before, system } = parametersOf(c, logQuery)
        const content = await readLog(store, before, system)
        return { title: '$all', content: <LogPage {...{ content, before, system }} />, hasScript: before === undefined }
      }),
    )
    .get(paths.live, (c) => {
      admitted(c)
      const { system } = parametersOf(c, logQuery)
      // A GET of which nobody reads the answer.
      if (c.req.method === 'HEAD') return c.body(null, 200, { ...safe, 'Content-Type': 'text/event-stream' })
      return liveResponse(
        feed.join(({ stream }) => system || !isSystemStream(stream)),
        safe,
      )
    })
    .get(
      paths.readModel,
      page('read-model', async (c) => {
        const { after, applied } = parametersOf(c, readModelQuery)
        const end = await endOf(store)
        const parked = look((file) => file.parked(after ?? -1, PARKED_LIMIT))
        const status = readModel.status()
        const { token } = guard
        return { title: 'Read model', content: <ReadModelPage {...{ status, end, parked, token, applied }} /> }
      }),
    )
    .post(paths.replay, async (c) => {
      admitted(c)
      guard.check((name) => c.req.header(name), (await formOf(c)).get('token'))
      return c.redirect(href(paths.readModel, { applied: readModel.replayParked() }), 303)
    })
    .get(
      paths.groups,
      page('groups', async () => ({ title: 'Groups', content: <GroupsPage groups={await store.groups()} /> })),
    )
    .get(paths.style, asset('text/css', style))
    .get(paths.script, asset('text/javascript', liveScript))
  return { routes, problems: inspectorProblems, links: { inspector: { href: paths.streams } }, reference: [] }
}

/** How the errors of the module that are not shown on a page are told (RFC 9457), by their name. */
const inspectorProblems = {
  InspectorForbidden: { status: 403, slug: 'inspector-forbidden', title: 'Inspector forbidden' },
  TooManyViewers: {
    ...{ status: 503, slug: 'too-many-viewers', title: 'Too many viewers' },
    headers: { 'Retry-After': '30' },
  },
  BadParameters: { status: 400, slug: 'bad-parameters', title: 'Bad parameters' },
  ProjectorFenced: { status: 409, slug: 'projector-fenced', title: 'Another process feeds the read model' },
} as const satisfies Record<(InspectorForbidden | TooManyViewers | BadParameters)['name'] | 'ProjectorFenced', object>

const safe = { 'X-Content-Type-Options': 'nosniff', 'Cross-Origin-Resource-Policy': 'same-origin' }

const pageHeaders = {
  ...safe,
  'Cache-Control': 'no-store',
  'Referrer-Policy': 'same-origin',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
}

/** Largest body of a form, in bytes. */
const MAX_FORM = 4_096

/** @throws {InspectorForbidden} it is not one that the inspector's pages send. */
async function formOf(c: Context): Promise<URLSearchParams> {
  const length = Number(c.req.header('Content-Length') ?? Number.NaN)
  if (length <= MAX_FORM) return new URLSearchParams(await c.req.text())
  throw new InspectorForbidden(`a form must say its length, of ${MAX_FORM} bytes at most`)
}

/** Undefined where the store cannot say: the page tells of the read model, which is there without it. */
async function endOf(store: StoreExplorer): Promise<number | undefined> {
  try {
    for await (const { position } of store.logBackwards(undefined, 1)) return position
  } catch (error) {
    if (!(error instanceof StoreUnavailable || error instanceof NotReadable)) throw error
  }
  return undefined
}
