/** Puts events above the others as they come. Runs in the browser; without it, the page shows what there was. */
export const liveScript = `'use strict'
const panel = document.getElementById('live')
if (panel) {
  const state = document.getElementById('live-state')
  const pause = document.getElementById('live-pause')
  const rows = document.getElementById('rows')
  const template = document.getElementById('row')
  const most = 200
  let held = []
  let dropped = 0
  let isPaused = false
  let connection = 'Connecting'

  const say = () => {
    const parts = [isPaused ? 'Paused' : connection]
    if (isPaused && held.length > 0) parts.push(held.length + (held.length === most ? ' or more' : '') + ' waiting')
    if (dropped > 0) parts.push(dropped + ' left out, because they came too fast')
    const text = parts.join(' \\u00b7 ')
    if (state.textContent !== text) state.textContent = text
    panel.dataset.state = isPaused ? 'paused' : connection.toLowerCase()
  }
  const show = (event) => {
    const row = template.content.firstElementChild.cloneNode(true)
    for (const cell of row.querySelectorAll('[data-text]')) cell.textContent = event[cell.dataset.text]
    for (const link of row.querySelectorAll('[data-href]')) link.setAttribute('href', event[link.dataset.href])
    const time = row.querySelector('time')
    time.setAttribute('datetime', event.at)
    time.firstChild.textContent = event.at.slice(0, 10) + ' '
    time.lastChild.textContent = event.at.slice(11, 23)
    rows.prepend(row)
    while (rows.childElementCount > most) rows.lastElementChild.remove()
    document.getElementById('nothing')?.remove()
  }
  const source = new EventSource(panel.dataset.source)
  source.onmessage = ({ data }) => {
    const event = JSON.parse(data)
    if (!isPaused) show(event)
    else if (held.push(event) > most) held.shift()
    if (isPaused) say()
  }
  source.addEventListener('state', ({ data }) => {
    connection = data === 'live' ? 'Live' : 'The event store is away'
    say()
  })
  source.addEventListener('dropped', ({ data }) => {
    dropped += Number(data)
    say()
  })
  source.onerror = () => {
    connection = source.readyState === EventSource.CLOSED ? 'Not live: load the page again' : 'Connecting again'
    say()
  }
  pause.addEventListener('click', () => {
    isPaused = !isPaused
    pause.textContent = isPaused ? 'Go on' : 'Pause'
    if (!isPaused) for (const event of held.splice(0)) show(event)
    say()
  })
  panel.hidden = false
  say()
}
`
