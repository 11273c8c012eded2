import { html } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { EventNumber } from '../cqrs/event.ts'
import { paths } from './paths.ts'
import type { ReadModelStatus } from './ports.ts'
import { visible } from './print.ts'

type Section = 'streams' | 'log' | 'read-model' | 'groups'

const sections = [
  ['streams', 'Streams', paths.streams],
  ['log', '$all', paths.log],
  ['read-model', 'Read model', paths.readModel],
  ['groups', 'Groups', paths.groups],
] as const

interface LayoutProps {
  readonly title: string
  readonly section: Section | undefined
  readonly readModel: ReadModelStatus
  readonly hasScript?: boolean
  readonly children: Child
}

/** What all pages have around them. */
export function Layout({ title, section, readModel, hasScript, children }: LayoutProps) {
  const { state, position, parked } = readModel
  return html`<!doctype html>${(
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${visible(title)} · Rollbook inspector`}</title>
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href={paths.style} />
        {hasScript ? <script src={paths.script} defer /> : null}
      </head>
      <body>
        <a class="skip" href="#main">
          Skip to the content
        </a>
        <header>
          <p class="brand">
            <a href={paths.streams}>Rollbook</a> inspector
          </p>
          <nav aria-label="Sections">
            <ul>
              {sections.map(([id, label, path]) => (
                <li>
                  <a href={path} aria-current={id === section ? 'page' : undefined}>
                    {label}
                  </a>
                </li>
              ))}
            </ul>
          </nav>
          <p class="pulse">
            <span class={`dot ${state}`} aria-hidden="true" />
            projector {state} at <span class="number">{position}</span>
            {parked > 0 ? <a href={paths.readModel}>{parked} parked</a> : null}
          </p>
        </header>
        <main id="main" tabindex={-1}>
          {children}
        </main>
      </body>
    </html>
  )}`
}

/** In UTC, as the store recorded it. */
export function Time({ at }: { readonly at: Date }) {
  const isDate = !Number.isNaN(at.getTime())
  const text = isDate ? at.toISOString() : 'unknown'
  return isDate ? (
    <time datetime={text} title="UTC">
      {text.slice(0, 10)} <span class="clock">{text.slice(11, 23)}</span>
    </time>
  ) : (
    <span>{text}</span>
  )
}

/** A name as a link in which every character can be seen. */
export function Name({ name, href }: { readonly name: string; readonly href: string }) {
  const shown = name === '' ? '(no name)' : visible(name)
  // What a request line can carry: the server takes 8,000 bytes.
  return href.length > 7_500 ? (
    <bdi class="name">{shown.slice(0, 500)}…</bdi>
  ) : (
    <a class="name" href={href}>
      <bdi>{shown}</bdi>
    </a>
  )
}

export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`

/** The event that tombstones a stream has the last number there can be, which is none of a count. */
export const numberText = (number: EventNumber): string => (Number.isSafeInteger(number) ? String(number) : 'last')
