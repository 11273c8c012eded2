import type { RecordedEvent } from '../cqrs/event.ts'
import { numberText } from './layout.tsx'
import type { News, Viewer } from './live-feed.ts'
import { eventHref, streamHref } from './paths.ts'
import { preview, visible } from './print.ts'

/** Milliseconds after which something is sent though nothing happened: the server closes connections that are silent. */
const HEARTBEAT = 15_000

/** Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) for as long as the viewer is there. */
export function liveResponse(viewer: Viewer, headers: Readonly<Record<string, string>>): Response {
  const utf8 = new TextEncoder()
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      // Called when the client has taken what was sent before.
      async pull(controller) {
        const news = await viewer.take(HEARTBEAT)
        if (!news) controller.close()
        else controller.enqueue(utf8.encode(news.length === 0 ? ':\n\n' : news.map(message).join('')))
      },
      cancel: () => viewer.leave(),
    },
    { highWaterMark: 0 },
  )
  return new Response(body, {
    headers: { ...headers, 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' },
  })
}

function message(news: News): string {
  switch (news.kind) {
    case 'event':
      return `data: ${JSON.stringify(rowOf(news.event))}\n\n`
    case 'dropped':
      return `event: dropped\ndata: ${news.count}\n\n`
    case 'state':
      return `event: state\ndata: ${news.state}\n\n`
  }
}

/** An event as a row of the log shows it: texts in which every character can be seen. */
export function rowOf({ stream, number, position, type, created, data }: RecordedEvent) {
  return {
    ...{ stream: visible(stream), streamHref: streamHref(stream) },
    ...{ number: numberText(number), eventHref: eventHref(stream, number) },
    ...{ position: String(position), type: visible(type), data: preview(data, 100) },
    at: Number.isNaN(created.getTime()) ? '' : created.toISOString(),
  }
}
